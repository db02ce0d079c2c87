package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// NewRelay starts the least that a forwarder of alerts over HTTP can be, in a process of its own: it answers a POST, and
// then posts the same JSON to target, 16 at a time. It keeps nothing and tries nothing again. It is what the router is compared with.
func NewRelay(t testing.TB, target string) (relay *Process, url string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr := FreeAddr(t)
	relay = StartWith(t, func(c *exec.Cmd) { c.Env = append(c.Env, helperEnv+"=1") }, self, "relay", addr, target)
	Eventually(t, 20*time.Second*Slow(), func() error {
		if !strings.Contains(relay.Stdout(), "ready") {
			return ErrNotYet
		}
		return nil
	})
	return relay, "http://" + addr + "/"
}

// relayHelper is the relay's process.
func relayHelper(addr, target string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	slots := make(chan struct{}, 16)
	fmt.Println("ready")
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var alert map[string]any
		if err := json.NewDecoder(r.Body).Decode(&alert); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			body, err := json.Marshal(alert)
			if err != nil {
				return
			}
			resp, err := client.Post(target, "application/json", bytes.NewReader(body))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}()
	}))
}
