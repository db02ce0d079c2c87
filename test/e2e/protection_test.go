package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/goccy/go-yaml"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

// of reports whether a webhook request carries a finding of a rule about a host.
func of(rule, host string) func(harness.Request) bool {
	return func(r harness.Request) bool {
		var n finding.Notification
		return json.Unmarshal(r.Body, &n) == nil && slices.ContainsFunc(n.Findings, func(f finding.Finding) bool { return f.Rule.ID == rule && f.Host == host })
	}
}

// halves are a router with a webhook, and what sensors are started with.
type halves struct {
	dir, url string
	hook     *harness.Webhook
}

func startHalves(t *testing.T) *halves {
	harness.NeedRoot(t)
	h := &halves{dir: t.TempDir(), url: harness.NewNATS(t, "").URL, hook: harness.NewWebhook(t)}
	addr := harness.FreeAddr(t)
	config := filepath.Join(h.dir, "router.yaml")
	text := fmt.Sprintf("version: 1\nnats: {url: %s}\ndata_dir: %s/router\nserver: {listen: %s}\n%s", h.url, h.dir, addr,
		everything("  hook: {type: webhook, url: "+h.hook.URL+"}", "hook"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{harness.Start(t, "tocsin-router", "-c", config), "http://" + addr}
	n.waitReady(t)
	return h
}

// config writes the configuration of a sensor with the tutorial's rule alone.
func (h *halves) config(t *testing.T, host string) (file, addr string) {
	addr = harness.FreeAddr(t)
	file = filepath.Join(h.dir, host+".yaml")
	text := fmt.Sprintf("version: 1\nhost: %s\nnats: {url: %s}\ndata_dir: %s/%s\nsensor: {builtin: false, listen: %s, rules: [%s]}\n", host, h.url, h.dir, host, addr, tutorial(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, addr
}

func (h *halves) sensor(t *testing.T, host string) *node {
	file, addr := h.config(t, host)
	n := &node{harness.Start(t, "tocsin-sensor", "-c", file), "http://" + addr}
	n.waitReady(t)
	return n
}

// A sensor that is killed, stopped or blinded does not go unnoticed.
func TestSensorGoesSilent(t *testing.T) {
	h := startHalves(t)
	killed, stopped, restarted, blinded := h.sensor(t, "killed"), h.sensor(t, "stopped"), h.sensor(t, "restarted"), h.sensor(t, "blinded")
	time.Sleep(time.Second) // each has given a sign of life
	killed.Kill()
	stopped.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { stopped.Signal(syscall.SIGCONT) })
	restarted.Kill()
	h.sensor(t, "restarted")

	// As bpftool does it: the switches of all events, of a map that is found by its id.
	configs := mapOf(t, blinded.PID(), "event_configs")
	for i := range configs.MaxEntries() {
		if err := configs.Put(i, make([]byte, configs.ValueSize())); err != nil {
			t.Fatal(err)
		}
	}

	for host, rule := range map[string]string{
		"restarted": "tocsin_sensor_killed", "blinded": "tocsin_sensor_tampered", "killed": "tocsin_sensor_silent", "stopped": "tocsin_sensor_silent",
	} {
		r := h.hook.Wait(t, 100*time.Second, of(rule, host))
		t.Logf("%s: %s", host, notification(t, r).Findings[0].Message)
	}
	// What blinded it was undone.
	path := socket(t, "docker.sock")
	c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": path}, "connect", "/var/run/docker.sock")
	h.hook.Wait(t, 20*time.Second, func(r harness.Request) bool { return raised(c.ID)(r) && of("RMM-1", "blinded")(r) })
}

// A sensor that has dropped its privileges attaches whatever a rule that comes later needs: packets, the kernel's memory, and all else that
// this kernel can show to somebody with all privileges.
func TestRulesThatComeLater(t *testing.T) {
	h := startHalves(t)
	file, addr := h.config(t, "later")
	dir := ruleDir(t, file)
	n := &node{harness.Start(t, "tocsin-sensor", "-c", file), "http://" + addr}
	n.waitReady(t)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil || !strings.Contains(string(status), "CapEff:\t000000c000080004\n") {
		t.Fatalf("the sensor has not dropped its privileges: %v\n%s", err, status)
	}
	features, err := bpf.Probe()
	if err != nil {
		t.Fatal(err)
	}
	var selected, names []string
	for _, def := range event.All() {
		if features.Hooks(def.Name).Hook != nil {
			names = append(names, def.Name)
			selected = append(selected, fmt.Sprintf(`{"source": "tracee", "name": %q, "origin": "*"}`, def.Name))
		}
	}
	if !slices.Contains(names, "net_packet_dns_request") {
		t.Skip(features.Hooks("net_packet_dns_request").Reason)
	}
	rule := `package later

__rego_metadoc__ := {"id": "LATER", "version": "1", "name": "Later", "properties": {"Severity": 1}}

tracee_selected_events := {` + strings.Join(selected, ", ") + `}

tracee_match if {
	input.eventName == "net_packet_dns_request"
	input.args[_].value[_].query == "later.example.test"
}
`
	if err := os.WriteFile(filepath.Join(dir, "later.rego"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 60*time.Second*harness.Slow(), func() error {
		if !strings.Contains(n.Stderr()+n.Stdout(), "rules reloaded") {
			return fmt.Errorf("not reloaded:\n%s", n.Stderr())
		}
		return nil
	})
	for _, name := range names {
		if strings.Contains(n.Stderr()+n.Stdout(), "select "+name+":") {
			t.Errorf("%s cannot be attached any more:\n%s", name, n.Stderr())
		}
	}
	c, err := net.Dial("udp", "127.77.0.1:53") // nobody has to listen
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	query := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("later.example.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	packed, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one is refused, and that is told by the second
		c.Write(packed) //nolint:errcheck // see above
	}
	h.hook.Wait(t, 20*time.Second*harness.Slow(), of("LATER", "later"))
}

// mapOf opens a BPF map of a process by its name.
func mapOf(t *testing.T, pid int, name string) *ebpf.Map {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`(?m)^map_id:\s*(\d+)$`)
	for _, fd := range fds {
		text, _ := os.ReadFile(fd)
		m := id.FindSubmatch(text)
		if m == nil {
			continue
		}
		var n ebpf.MapID
		fmt.Sscan(string(m[1]), &n)
		opened, err := ebpf.NewMapFromID(n)
		if err != nil {
			continue
		}
		if info, err := opened.Info(); err == nil && info.Name == name {
			t.Cleanup(func() { opened.Close() })
			return opened
		}
		opened.Close()
	}
	t.Fatalf("process %d has no map %s", pid, name)
	return nil
}

// seccompProfile is what deployments/seccomp/tocsin.json holds, which Docker and the OCI runtime read alike.
type seccompProfile struct {
	Syscalls []struct{ Names []string }
}

// The sensor runs in a container as deployments/compose gives it: these capabilities, this seccomp profile, a root file system
// that is read-only.
func TestSensorUnderItsProfile(t *testing.T) {
	h := startHalves(t)
	compose, profile := composeService(t, "sensor"), profileJSON(t)
	if !slices.Contains(compose.SecurityOpt, "seccomp:../seccomp/tocsin.json") || !slices.Contains(compose.SecurityOpt, "no-new-privileges:true") || !compose.ReadOnly {
		t.Fatalf("the sensor of compose.yaml: %+v", compose)
	}
	var caps []string
	have := capabilities(t)
	for _, c := range compose.CapAdd {
		bit, ok := event.EncCapability.Number("CAP_" + c)
		if !ok {
			t.Fatalf("compose.yaml gives an unknown capability %s", c)
		}
		if have&(1<<bit) == 0 {
			t.Logf("CAP_%s is not to be had here", c) // without CAP_SYS_RESOURCE kernels from 5.11 on are well
			continue
		}
		caps = append(caps, "CAP_"+c)
	}
	file, addr := h.config(t, "confined")
	_, p := harness.StartContainer(t, harness.ContainerOptions{
		Path: "/tocsin-sensor", Args: []string{"-c", file},
		Mounts: map[string]string{"/tocsin-sensor": harness.Binary(t, "tocsin-sensor"), h.dir: h.dir, filepath.Dir(ruleDir(t, file)): filepath.Dir(ruleDir(t, file))},
		Spec: func(spec map[string]any) {
			spec["root"].(map[string]any)["readonly"] = true
			process, linux := spec["process"].(map[string]any), spec["linux"].(map[string]any)
			process["noNewPrivileges"] = true
			process["capabilities"] = map[string][]string{"bounding": caps, "effective": caps, "permitted": caps}
			linux["seccomp"] = json.RawMessage(profile)
			linux["namespaces"] = []map[string]string{{"type": "mount"}, {"type": "ipc"}, {"type": "uts"}} // pid, cgroup and network are the host's
			spec["mounts"] = append(spec["mounts"].([]map[string]any), map[string]any{"destination": "/sys", "type": "bind", "source": "/sys", "options": []string{"rbind", "ro"}})
		},
	})
	n := &node{p, "http://" + addr}
	n.waitReady(t)

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", sensorPID(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapEff:\t000000c000080004\n", "CapPrm:\t000000c000080004\n", "CapInh:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Seccomp_filters:\t2\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", sensorPID(t, file)))
	if err != nil || !regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S+ / ro,`).Match(mounts) {
		t.Errorf("the root file system can be written: %v\n%s", err, mounts)
	}
	path := socket(t, "docker.sock")
	c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": path}, "connect", "/var/run/docker.sock")
	h.hook.Wait(t, 20*time.Second, raised(c.ID))
	if log := p.Stderr() + p.Stdout(); strings.Contains(log, "not permitted") || strings.Contains(log, "not dropped") || strings.Contains(log, "changes of rules are not seen") {
		t.Errorf("something was refused:\n%s", log)
	}
}

// The units of systemd allow the same system calls as the profile for containers.
func TestUnitsHaveTheProfile(t *testing.T) {
	var profile seccompProfile
	if err := json.Unmarshal(profileJSON(t), &profile); err != nil {
		t.Fatal(err)
	}
	want := profile.Syscalls[0].Names
	for _, unit := range []string{"tocsin.service", "tocsin-sensor.service"} {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), "deployments/systemd", unit))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(text)) {
			if names, ok := strings.CutPrefix(line, "SystemCallFilter="); ok {
				got = append(got, strings.Fields(names)...)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v\nwant %v", unit, got, want)
		}
		if !strings.Contains(string(text), "\nProtectSystem=strict\n") || !strings.Contains(string(text), "\nNoNewPrivileges=yes\n") {
			t.Errorf("%s can write, or gain privileges", unit)
		}
	}
}

func profileJSON(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(harness.Root(t), "deployments/seccomp/tocsin.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type service struct {
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	ReadOnly    bool     `yaml:"read_only"`
}

func composeService(t *testing.T, name string) service {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(harness.Root(t), "deployments/compose/compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Services map[string]service }
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Services[name]
}

// capabilities returns those of the test.
func capabilities(t *testing.T) (set uint64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscanf(regexp.MustCompile(`CapEff:\s*(\S+)`).FindStringSubmatch(string(b))[1], "%x", &set)
	return set
}

// ruleDir returns the folder of rules that a configuration names.
func ruleDir(t *testing.T, config string) string {
	t.Helper()
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`rules: \[(.*)\]`).FindStringSubmatch(string(b))[1]
}

// sensorPID finds the sensor that was started with a configuration: in its container it is a child of runc.
func sensorPID(t *testing.T, config string) int {
	t.Helper()
	list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range list {
		b, _ := os.ReadFile(path)
		if args := strings.Split(string(b), "\x00"); len(args) > 2 && args[0] == "/tocsin-sensor" && args[2] == config {
			var pid int
			fmt.Sscanf(path, "/proc/%d/cmdline", &pid)
			return pid
		}
	}
	t.Fatal("no sensor runs with " + config)
	return 0
}
