package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// The two halves as processes of their own over one NATS server, and either may be away.
func TestTwoProcesses(t *testing.T) {
	harness.NeedRoot(t)
	url, hook := harness.NewNATS(t, "").URL, harness.NewWebhook(t)
	dir, api, sensorAddr := t.TempDir(), harness.FreeAddr(t), harness.FreeAddr(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("version: 1\nnats: {url: "+url+"}\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sensorConfig := write("sensor.yaml", fmt.Sprintf("host: e2e\ndata_dir: %s/sensor\nsensor: {listen: %s, rules: [%s]}\n", dir, sensorAddr, tutorial(t)))
	routerConfig := write("router.yaml", fmt.Sprintf("data_dir: %s/router\nserver: {listen: %s}\n%s", dir, api,
		alerting("  hook: {type: webhook, url: "+hook.URL+"}", "hook")))

	startRouter := func() *node {
		n := &node{harness.Start(t, "tocsin-router", "-c", routerConfig), "http://" + api}
		n.waitReady(t)
		return n
	}
	sensor := &node{harness.Start(t, "tocsin-sensor", "-c", sensorConfig), "http://" + sensorAddr}
	router := startRouter()
	sensor.waitReady(t)

	path := socket(t, "docker.sock")
	connect := func() harness.Container {
		return harness.RunContainer(t, map[string]string{"/var/run/docker.sock": path}, "connect", "/var/run/docker.sock")
	}
	c := connect()
	sent := notification(t, hook.Wait(t, 20*time.Second, raised(c.ID)))
	checkTutorialAlert(t, sent.Alert, c.ID)

	router.Kill()
	c = connect() // nobody routes it now
	router = startRouter()
	hook.Wait(t, 20*time.Second, raised(c.ID))

	if resp, err := http.Get("http://" + sensorAddr + "/alerts"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("the sensor serves alerts")
		}
	}
	if code := sensor.Stop(15 * time.Second); code != 0 {
		t.Errorf("sensor after SIGTERM: exit code %d", code)
	}
	if code := router.Stop(15 * time.Second); code != 0 {
		t.Errorf("router after SIGTERM: exit code %d", code)
	}
}
