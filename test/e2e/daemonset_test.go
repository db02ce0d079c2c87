package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/test/harness"
)

var update = flag.Bool("update", false, "render the chart again: testdata/daemonset.yaml (needs bin/helm)")

const rendered = "testdata/daemonset.yaml"

// What is rendered is what the chart says. Without bin/helm this cannot be told.
func TestChartIsRendered(t *testing.T) {
	root := harness.Root(t)
	helm := filepath.Join(root, "bin/helm")
	if _, err := os.Stat(helm); err != nil {
		t.Skip("needs bin/helm: make bin/helm")
	}
	now, err := exec.Command(helm, "template", "t", filepath.Join(root, "deployments/helm/tocsin"), "--kube-version", "1.30", "--show-only", "templates/sensor.yaml").Output()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(rendered, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(rendered)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was, now) {
		t.Errorf("the chart has changed: go test ./test/e2e -run %s -update", t.Name())
	}
}

// daemonSet is the part of the chart that a container runtime is told.
type daemonSet struct {
	Kind string
	Data map[string]string // of a ConfigMap
	Spec struct {
		Template struct {
			Spec struct {
				HostPID    bool `yaml:"hostPID"`
				Containers []struct {
					Args            []string
					SecurityContext struct {
						RunAsUser                int  `yaml:"runAsUser"`
						ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
						AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
						Privileged               bool
						Capabilities             struct{ Drop, Add []string }
					} `yaml:"securityContext"`
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
						ReadOnly  bool   `yaml:"readOnly"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name     string
					HostPath struct{ Path string } `yaml:"hostPath"`
				}
			}
		}
	}
}

// The sensor runs under runc as a kubelet would have it run from the chart: its capabilities, its mounts, a read-only root, the seccomp profile
// that the chart names, what container runtimes mask of /proc. Only the network is the host's here, where the test's NATS server is.
func TestDaemonSet(t *testing.T) {
	h := startHalves(t)
	b, err := os.ReadFile(rendered)
	if err != nil {
		t.Fatal(err)
	}
	var set, config daemonSet
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var x daemonSet
		if err := d.Decode(&x); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch {
		case x.Kind == "DaemonSet":
			set = x
		case x.Data["tocsin.yaml"] != "":
			config = x
		}
	}
	pod := set.Spec.Template.Spec
	if len(pod.Containers) != 1 || !pod.HostPID || pod.Containers[0].SecurityContext.Privileged {
		t.Fatalf("the chart's pod: %+v", pod)
	}
	c := pod.Containers[0]
	addr := harness.FreeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	var doc map[string]any
	if err := yaml.Unmarshal([]byte(config.Data["tocsin.yaml"]), &doc); err != nil {
		t.Fatal(err)
	}
	sensor := doc["sensor"].(map[string]any)
	listen, _, _ := strings.Cut(sensor["listen"].(string), ":")
	sensor["listen"] = listen + ":" + port
	sensor["kubernetes"] = map[string]any{"enabled": "off"} // there is no API server
	doc["nats"] = map[string]any{"url": h.url}
	text, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	file := harness.WriteFile(t, "tocsin.yaml", string(text))

	have := capabilities(t)
	var caps []string
	for _, name := range c.SecurityContext.Capabilities.Add {
		bit, ok := event.EncCapability.Number("CAP_" + name)
		if !ok {
			t.Fatal("the chart gives an unknown capability ", name)
		}
		if have&(1<<bit) != 0 {
			caps = append(caps, "CAP_"+name)
		}
	}
	mounts := []map[string]any{{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": []string{"nosuid", "noexec", "nodev", "ro"}}}
	for _, m := range c.VolumeMounts {
		source := t.TempDir() // an emptyDir, or where this machine has nothing
		for _, v := range pod.Volumes {
			if v.Name == m.Name && strings.HasPrefix(v.HostPath.Path, "/sys/") {
				source = v.HostPath.Path
			}
		}
		switch m.Name {
		case "config":
			source = file
		case "metrics-token":
			source = filepath.Dir(harness.WriteFile(t, "metrics-token", "scrape"))
		}
		options := []string{"rbind", "rprivate"}
		if m.ReadOnly {
			options = append(options, "ro")
		}
		if _, err := os.Stat(source); err != nil {
			t.Logf("this machine has no %s", source)
			continue
		}
		mounts = append(mounts, map[string]any{"destination": m.MountPath, "type": "bind", "source": source, "options": options})
	}
	_, p := harness.StartContainer(t, harness.ContainerOptions{
		Path: "/tocsin-sensor", Args: c.Args,
		Mounts: map[string]string{"/tocsin-sensor": harness.Binary(t, "tocsin-sensor")},
		Files:  map[string]string{"/etc/tocsin/tocsin.yaml": ""},
		Spec: func(spec map[string]any) {
			spec["root"].(map[string]any)["readonly"] = c.SecurityContext.ReadOnlyRootFilesystem
			process, linux := spec["process"].(map[string]any), spec["linux"].(map[string]any)
			process["user"] = map[string]int{"uid": c.SecurityContext.RunAsUser, "gid": 0}
			process["noNewPrivileges"] = !c.SecurityContext.AllowPrivilegeEscalation
			process["capabilities"] = map[string][]string{"bounding": caps, "effective": caps, "permitted": caps}
			process["env"] = append(process["env"].([]string), "NODE_NAME=node-7")
			linux["seccomp"] = json.RawMessage(profileJSON(t))
			linux["namespaces"] = slices.DeleteFunc(namespacesOf(linux), func(n map[string]string) bool {
				return n["type"] == "pid" || n["type"] == "network" || n["type"] == "uts"
			})
			linux["maskedPaths"] = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"}
			linux["readonlyPaths"] = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
			delete(spec, "hostname")
			list := slices.DeleteFunc(spec["mounts"].([]map[string]any), func(m map[string]any) bool { return m["destination"] == "/tmp" }) // an emptyDir is there
			spec["mounts"] = append(list, mounts...)
		},
	})
	n := &node{p, "http://" + addr}
	n.waitReady(t)
	path := socket(t, "docker.sock")
	box := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": path}, "connect", "/var/run/docker.sock")
	r := h.hook.Wait(t, 20*time.Second*harness.Slow(), about(box.ID))
	if f := notification(t, r).Findings[0]; f.Host != "node-7" || f.Cluster != "kubernetes" {
		t.Errorf("a finding of %s in %s", f.Host, f.Cluster)
	}
	for _, bad := range []string{"not permitted", "not dropped", "denied", "changes of rules are not seen"} {
		if log := p.Stderr() + p.Stdout(); strings.Contains(log, bad) {
			t.Errorf("something was refused:\n%s", log)
		}
	}
	if p.Exited() {
		t.Errorf("the sensor ended:\n%s", p.Stderr())
	}
}

func namespacesOf(linux map[string]any) []map[string]string {
	return linux["namespaces"].([]map[string]string)
}
