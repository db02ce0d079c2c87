package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

const streamRule = `package stream

import rego.v1

import data.tracee.helpers

# VERSION
__rego_metadoc__ := {"id": "STREAM", "version": "1", "name": "Stream", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	startswith(path, "PREFIX")
}
`

// TestReloads: rules are read again at a signal, by the API and when a file changes, a wrong file among them, while files are opened
// without a pause. Each that was opened makes one finding: none is lost, and none made twice.
func TestReloads(t *testing.T) {
	t.Run("tocsin", func(t *testing.T) {
		hook := harness.NewWebhook(t)
		rules := t.TempDir()
		s := newSetup(t, everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook"), rules)
		reloads(t, hook, rules, func() *node { return s.run(t, "--no-builtin", "--log-level", "info") })
	})
	t.Run("tocsin-sensor", func(t *testing.T) {
		h := startHalves(t)
		file, addr := h.config(t, "reloads")
		reloads(t, h.hook, ruleDir(t, file), func() *node {
			n := &node{harness.Start(t, "tocsin-sensor", "-c", file), "http://" + addr}
			n.waitReady(t)
			return n
		})
	})
}

func reloads(t *testing.T, hook *harness.Webhook, rules string, start func() *node) {
	harness.NeedRoot(t)
	opened := t.TempDir()
	prefix := filepath.Join(opened, "event-")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(rules, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule := func(version int) string {
		return strings.NewReplacer("PREFIX", prefix, "VERSION", fmt.Sprint(version)).Replace(streamRule)
	}
	other := strings.NewReplacer("STREAM", "OTHER", "package stream", "package other", "PREFIX", "/no/such/").Replace(streamRule)
	write("stream.rego", rule(0))
	n := start()

	var stop atomic.Bool
	count := make(chan int, 1)
	t.Cleanup(func() {
		if stop.CompareAndSwap(false, true) {
			<-count
		}
	})
	go func() {
		i := 0
		defer func() { count <- i }()
		for ; !stop.Load(); i++ {
			f, err := os.Create(fmt.Sprintf("%s%06d", prefix, i))
			if err != nil {
				t.Error(err)
				return
			}
			f.Close()
			time.Sleep(10 * time.Millisecond)
		}
	}()

	logged := func(text string) int { return strings.Count(n.Stderr()+n.Stdout(), text) }
	const done, refused = "rules reloaded", "rules not reloaded"
	// reload does something, and waits until the program has said what became of it.
	reload := func(what, says string, do func()) {
		t.Helper()
		before := logged(says)
		do()
		harness.Eventually(t, 20*time.Second*harness.Slow(), func() error {
			if logged(says) == before {
				return fmt.Errorf("%s: %q was not logged:\n%s", what, says, n.Stderr())
			}
			return nil
		})
		time.Sleep(500 * time.Millisecond) // a change of a file may be seen in two steps
	}
	api := func(want int) func() {
		return func() {
			resp, err := http.Post(n.url+"/v1/reload", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != want || want/100 != 2 && !strings.Contains(string(body), "bad.rego:") {
				t.Errorf("POST /v1/reload: %s, want %d: %s", resp.Status, want, body)
			}
		}
	}
	hangup := func() { n.Signal(syscall.SIGHUP) }
	for round := range 3 {
		reload("a rule that changes", done, func() { write("stream.rego", rule(round+1)) })
		reload("SIGHUP", done, hangup)
		reload("a rule that comes", done, func() { write("other.rego", other) })
		reload("the API", done, api(http.StatusNoContent))
		reload("a wrong file", refused, func() { write("bad.rego", "package bad\nnonsense {") })
		reload("SIGHUP with a wrong file", refused, hangup)
		reload("the API with a wrong file", refused, api(http.StatusUnprocessableEntity))
		reload("a wrong file that goes", done, func() { os.Remove(filepath.Join(rules, "bad.rego")) })
		reload("a rule that goes", done, func() { os.Remove(filepath.Join(rules, "other.rego")) })
	}
	stop.Store(true)
	want := <-count
	found := map[string]int{}
	total := 0
	harness.Eventually(t, 60*time.Second*harness.Slow(), func() error {
		clear(found)
		total = 0
		for _, r := range hook.Accepted() {
			var sent finding.Notification
			if err := json.Unmarshal(r.Body, &sent); err != nil {
				return err
			}
			for _, f := range sent.Findings {
				var data struct{ Path string }
				if f.Rule.ID == "STREAM" && json.Unmarshal(f.Data, &data) == nil {
					found[data.Path]++
					total++
				}
			}
		}
		if len(found) < want {
			return fmt.Errorf("%d of %d files that were opened made findings", len(found), want)
		}
		return nil
	})
	time.Sleep(2 * time.Second) // for what should not come
	t.Logf("%d files opened, %d findings of %d of them, %d reloads, %d refused", want, total, len(found), logged(done), logged(refused))
	if total != want || len(found) != want {
		t.Errorf("%d findings of %d files; %d were opened", total, len(found), want)
	}
}
