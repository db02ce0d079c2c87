// Package e2e tests Tocsin's built programs as a user meets them: a real kernel, real
// containers, real receivers. Tests that attach to the kernel need root.
package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A node is a running program with its API.
type node struct {
	*harness.Process
	url string
}

// A setup is what a test configures: a data folder that survives restarts, an address, and
// the rest of the configuration in YAML.
type setup struct {
	dir, addr, config string
	rules             []string
}

// newSetup writes a configuration. extra is YAML for the top level.
func newSetup(t testing.TB, extra string, rules ...string) *setup {
	t.Helper()
	s := &setup{dir: t.TempDir(), addr: harness.FreeAddr(t), rules: rules}
	s.config = filepath.Join(s.dir, "tocsin.yaml")
	s.write(t, extra)
	return s
}

func (s *setup) write(t testing.TB, extra string) {
	t.Helper()
	text := fmt.Sprintf("version: 1\nhost: e2e\ndata_dir: %s\nserver: {listen: %s}\n%s", s.dir, s.addr, extra)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *setup) args(args ...string) []string {
	args = append(args, "-c", s.config)
	for _, dir := range s.rules {
		args = append(args, "--rules", dir)
	}
	return args
}

// run starts "tocsin run" and waits until it is ready.
func (s *setup) run(t testing.TB, args ...string) *node {
	t.Helper()
	harness.NeedRoot(t)
	n := &node{harness.Start(t, "tocsin", append(s.args("run"), args...)...), "http://" + s.addr}
	n.waitReady(t)
	return n
}

func (n *node) waitReady(t testing.TB) {
	t.Helper()
	harness.Eventually(t, 30*time.Second*harness.Slow(), func() error {
		if n.Exited() {
			t.Fatalf("ended before it was ready:\n%s", n.Stderr())
		}
		return ready(n.url)
	})
}

// ready asks a program whether it does its work.
func ready(url string) error {
	resp, err := http.Get(url + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("/readyz: %s: %s", resp.Status, body)
	}
	return nil
}

// get reads a JSON document of the API.
func (n *node) get(t testing.TB, path string, into any) {
	t.Helper()
	resp, err := http.Get(n.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v\n%s", path, resp.Status, err, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, body)
	}
}

// alerts reads GET /alerts.
func (n *node) alerts(t testing.TB) []finding.Alert {
	t.Helper()
	var page struct {
		Alerts []finding.Alert `json:"alerts"`
	}
	n.get(t, "/alerts?limit=500", &page)
	return page.Alerts
}

// notification decodes what a webhook received.
func notification(t testing.TB, r harness.Request) finding.Notification {
	t.Helper()
	var n finding.Notification
	if err := json.Unmarshal(r.Body, &n); err != nil {
		t.Fatalf("webhook body: %v\n%s", err, r.Body)
	}
	return n
}

// about reports whether a webhook request is about a container.
func about(id string) func(harness.Request) bool {
	return func(r harness.Request) bool { return strings.Contains(string(r.Body), id) }
}

// raised reports whether a webhook request is about a container and the tutorial's rule.
func raised(id string) func(harness.Request) bool {
	return func(r harness.Request) bool {
		var n finding.Notification
		if !about(id)(r) || json.Unmarshal(r.Body, &n) != nil {
			return false
		}
		return slices.ContainsFunc(n.Findings, func(f finding.Finding) bool { return f.Rule.ID == "RMM-1" })
	}
}

// tutorial returns a folder with the tutorial's rule.
func tutorial(t testing.TB) string {
	t.Helper()
	rule, err := os.ReadFile("testdata/docker_socket.rego")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(harness.WriteFile(t, "docker_socket.rego", string(rule)))
}

// socket is a listening Unix socket named as the Docker daemon names its own.
func socket(t testing.TB, name string) string {
	t.Helper()
	// Not t.TempDir: a socket's path must be shorter than 108 bytes.
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, name)
	harness.UnixServer(t, path)
	return path
}

// everything routes every finding to the given outputs at once, each by itself.
func everything(outputs string, names ...string) string {
	return route(outputs, "none", names)
}

// alerting routes alerts to the given outputs as they come up.
func alerting(outputs string, names ...string) string {
	return route(outputs, "{by: [rule, host, container], wait: 0s, window: 10m}", names)
}

func route(outputs, group string, names []string) string {
	return fmt.Sprintf("outputs:\n%s\nroutes:\n  - {name: all, outputs: [%s], group: %s, suppress: never}\n", outputs, strings.Join(names, ", "), group)
}
