package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

func wantAll(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: no %q in\n%s", what, p, text)
		}
	}
}

func TestBrokenRule(t *testing.T) {
	dir := tutorial(t)
	if err := os.WriteFile(filepath.Join(dir, "broken.rego"), []byte("package tracee.broken\n\ntracee_match {\n\tinput.eventName = = 1\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, diag, code := harness.Command(t, "tocsin", "rules", "check", dir)
	if code != 1 {
		t.Errorf("rules check: exit code %d, want 1", code)
	}
	wantAll(t, "rules check", out+diag, "broken.rego:4")

	// The rest goes on.
	hook := harness.NewWebhook(t)
	n := newSetup(t, everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook"), dir).run(t)
	wantAll(t, "log", n.Stderr(), "broken.rego:4")
	c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": socket(t, "docker.sock")}, "connect", "/var/run/docker.sock")
	hook.Wait(t, 20*time.Second, raised(c.ID))
}

func TestBrokenConfig(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		want         []string
	}{
		{"unknown key", "version: 1\nserver:\n  listn: 127.0.0.1:8700\n", []string{":3", "listn", "listen"}},
		{"syntax", "version: 1\noutputs: {hook\n", []string{":2"}},
		{"unknown type", "version: 1\noutputs:\n  a: {type: webhok, url: \"http://x\"}\n", []string{":3", "webhok", "webhook"}},
		{"unknown output", "version: 1\nroutes:\n  - {name: r, outputs: [pager]}\n", []string{":3", "pager"}},
		{"open listener", "version: 1\nserver: {listen: \"0.0.0.0:0\"}\n", []string{"tokens"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := harness.WriteFile(t, "tocsin.yaml", tt.config)
			for _, args := range [][]string{{"config", "check", file}, {"run", "-c", file, "--data-dir", t.TempDir()}} {
				if args[0] == "run" && os.Geteuid() != 0 {
					continue
				}
				out, diag, code := harness.Command(t, "tocsin", args...)
				if code != 1 && code != 2 {
					t.Errorf("tocsin %s: exit code %d, want 1", args[0], code)
				}
				wantAll(t, "tocsin "+args[0], out+diag, append(tt.want, "tocsin.yaml")...)
			}
		})
	}
}

func TestPortInUse(t *testing.T) {
	harness.NeedRoot(t)
	s := newSetup(t, "")
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, diag, code := harness.Command(t, "tocsin", s.args("run")...)
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	wantAll(t, "log", diag, s.addr, "in use", "listen")
}

// A webhook that refuses for good ends in the dead letters with its error, is named in the
// log, and everything else goes on.
func TestWebhookRefuses(t *testing.T) {
	bad, good := harness.NewWebhook(t), harness.NewWebhook(t)
	bad.Fail(http.StatusBadRequest)
	s := newSetup(t, everything("  bad: {type: webhook, url: "+bad.URL+"}\n  good: {type: webhook, url: "+good.URL+"}", "bad", "good"), tutorial(t))
	n := s.run(t)
	c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": socket(t, "docker.sock")}, "connect", "/var/run/docker.sock")
	good.Wait(t, 20*time.Second, about(c.ID))
	harness.Eventually(t, 20*time.Second, func() error {
		out, diag, code := harness.Command(t, "tocsin", "dead-letters", "list", "--server", n.url, "-o", "json")
		if code != 0 {
			t.Fatalf("dead-letters list: exit code %d\n%s", code, diag)
		}
		if !strings.Contains(out, "400") || !strings.Contains(out, "bad") {
			return harness.ErrNotYet
		}
		return nil
	})
	wantAll(t, "log", n.Stderr(), "bad", "400")
}

// Without privileges, the message says what is missing.
func TestUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		out, diag, code := harness.Command(t, "tocsin", "run", "--data-dir", t.TempDir())
		checkUnprivileged(t, out+diag, code)
		return
	}
	dir, err := os.MkdirTemp("", "e2e-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	asNobody := func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
		cmd.Dir = "/"
	}
	out, diag, code := harness.CommandWith(t, asNobody, "tocsin", "run", "--data-dir", dir)
	checkUnprivileged(t, out+diag, code)
	out, diag, _ = harness.CommandWith(t, asNobody, "tocsin", "doctor")
	wantAll(t, "doctor", out+diag, "CAP_BPF")
}

func checkUnprivileged(t *testing.T, text string, code int) {
	t.Helper()
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	wantAll(t, "tocsin run", text, "CAP_BPF", "sudo")
	if strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		t.Errorf("not a message for people:\n%s", text)
	}
}
