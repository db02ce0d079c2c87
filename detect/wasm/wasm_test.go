package wasm_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/wasm"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// build compiles the example as its comment says.
func build(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "rule.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = "../../examples/wasm"
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func open(t *testing.T, path, comm string) *event.Event {
	t.Helper()
	b := event.New(event.ByName("security_file_open"))
	b.Header().SetComm(comm)
	if err := b.Set("pathname", path); err != nil {
		t.Fatal(err)
	}
	return b.Event()
}

func TestSandbox(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module with the Go compiler")
	}
	ctx := context.Background()
	rule, err := wasm.Load(ctx, build(t))
	if err != nil {
		t.Fatal(err)
	}
	defer rule.Close(ctx)
	if m := rule.Metadata(); m.ID != "wasm_private_key" || m.Severity != finding.High || m.Attack[0].SubTechnique.ID != "T1552.004" {
		t.Errorf("%+v", m)
	}
	var got []*finding.Finding
	e, err := detect.New(detect.Options{Rules: []detect.Rule{rule}, Timeout: 100 * time.Millisecond, Sink: func(h detect.Hit) {
		if f := h.Finding(); f.Rule.ID != detect.RuleErrorID {
			got = append(got, f)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s := e.Selections(); len(s) != 1 || len(s[0].Clauses) == 0 {
		t.Errorf("selections %+v", s)
	}
	for _, path := range []string{"/root/.ssh/id_rsa", "/etc/passwd", "/loop", "/root/.ssh/id_ed25519", "/panic", "/home/x/id_rsa"} {
		e.Handle(open(t, path, "cat"))
	}
	e.Handle(open(t, "/root/.ssh/id_rsa", "ssh-agent"))
	var data []string
	for _, f := range got {
		data = append(data, string(f.Data))
	}
	if s := strings.Join(data, " "); s != `{"path":"/root/.ssh/id_rsa"} {"path":"/root/.ssh/id_ed25519"} {"path":"/home/x/id_rsa"}` {
		t.Errorf("findings %s", s)
	}
	s := e.Stats()[0]
	if s.Evaluations != 6 || s.Errors != 2 || s.Timeouts != 1 {
		t.Errorf("%+v", s)
	}
}

func TestBadModules(t *testing.T) {
	for name, code := range map[string]string{"not wasm": "hello", "empty": "", "no exports": "\x00asm\x01\x00\x00\x00"} {
		if _, err := wasm.New(context.Background(), "x.wasm", []byte(code)); err == nil || !strings.Contains(err.Error(), "x.wasm") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
