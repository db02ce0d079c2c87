package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

const connectEvent = "security_socket_connect"

// The first step of the tutorial: find the event.
func TestTutorialListsEvents(t *testing.T) {
	for _, args := range [][]string{{"events"}, {"trace", "-l"}} {
		out, diag, code := harness.Command(t, "tocsin", args...)
		if code != 0 {
			t.Fatalf("tocsin %v: exit %d\n%s", args, code, diag)
		}
		found := false
		for line := range strings.Lines(out) {
			if strings.Contains(line, connectEvent) && strings.Contains(line, "sockfd") && strings.Contains(line, "remote_addr") {
				found = true
			}
		}
		if !found {
			t.Errorf("tocsin %v shows no %s with its arguments:\n%s", args, connectEvent, out)
		}
	}
}

// The second step: watch it live.
func TestTutorialTraces(t *testing.T) {
	harness.NeedRoot(t)
	path := socket(t, "docker.sock")
	p := harness.Start(t, "tocsin", "trace", "-e", connectEvent, "-o", "json")
	harness.Eventually(t, 30*time.Second*harness.Slow(), func() error {
		if p.Exited() {
			t.Fatalf("tocsin trace ended:\n%s", p.Stderr())
		}
		harness.Helper(t, "connect", path) // until the hooks are attached
		for sc := bufio.NewScanner(strings.NewReader(p.Stdout())); sc.Scan(); {
			var e struct {
				EventName string `json:"eventName"`
				Args      []struct {
					Name  string
					Type  string
					Value any
				}
			}
			if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
				continue // a line that is still being written
			}
			for _, a := range e.Args {
				if e.EventName == connectEvent && a.Name == "remote_addr" && strings.Contains(fmt.Sprint(a.Value), path) {
					return nil
				}
			}
		}
		return harness.ErrNotYet
	})
	p.Signal(os.Interrupt)
	if code := p.Wait(10 * time.Second); code != 0 {
		t.Errorf("after Ctrl-C: exit code %d", code)
	}
}

// The third: write the rule, and get the alert everywhere.
func TestTutorialAlerts(t *testing.T) {
	hook, slack := harness.NewWebhook(t), harness.NewSlack(t)
	tcp, udp := harness.NewSyslog(t, "tcp"), harness.NewSyslog(t, "udp")
	s := newSetup(t, alerting(fmt.Sprintf(`
  hook: {type: webhook, url: %s}
  chat: {type: slack, channel: "#soc", token: xoxb-test, api_url: %s}
  tcp: {type: syslog, addr: %s}
  udp: {type: syslog, addr: %s}
`, hook.URL, slack.URL, tcp.Addr, udp.Addr), "hook", "chat", "tcp", "udp"), tutorial(t))
	n := s.run(t)

	docker, other := socket(t, "docker.sock"), socket(t, "other.sock")
	harness.Helper(t, "connect", docker) // from the host
	harmless := harness.RunContainer(t, map[string]string{"/var/run/other.sock": other}, "connect", "/var/run/other.sock")
	guilty := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": docker}, "connect", "/var/run/docker.sock")
	for _, c := range []harness.Container{harmless, guilty} {
		if c.Code != 0 {
			t.Fatalf("container: exit %d\n%s", c.Code, c.Output)
		}
	}
	sent := notification(t, hook.Wait(t, 30*time.Second, raised(guilty.ID)))

	// What happened before it would have come before it.
	for _, r := range hook.Accepted() {
		got := notification(t, r)
		for _, f := range got.Findings {
			if f.Rule.ID == "RMM-1" && (f.Container == nil || f.Container.ID != guilty.ID) {
				t.Errorf("an alert without cause: %s", r.Body)
			}
		}
	}

	t.Run("API", func(t *testing.T) {
		var alert *finding.Alert
		harness.Eventually(t, 10*time.Second, func() error {
			for _, a := range n.alerts(t) {
				if a.Rule.ID == "RMM-1" {
					alert = &a
					return nil
				}
			}
			return harness.ErrNotYet
		})
		var one finding.Alert
		n.get(t, "/alerts/"+alert.ID, &one)
		checkTutorialAlert(t, &one, guilty.ID)
		if sent.Alert == nil || sent.Alert.ID != one.ID {
			t.Errorf("the webhook's alert is %+v, the API's %s", sent.Alert, one.ID)
		}
	})
	t.Run("Webhook", func(t *testing.T) {
		if sent.ID == "" || sent.Output != "hook" {
			t.Errorf("notification id %q for output %q", sent.ID, sent.Output)
		}
		checkTutorialAlert(t, sent.Alert, guilty.ID)
	})
	t.Run("Slack", func(t *testing.T) {
		harness.Eventually(t, 10*time.Second, func() error {
			for _, m := range slack.Messages() {
				if strings.Contains(m.Blocks+m.Text, "Docker Socket Access Detected") {
					if m.Channel != "#soc" || m.Blocks == "" || m.Token != "xoxb-test" {
						t.Errorf("message %+v", m)
					}
					return nil
				}
			}
			return fmt.Errorf("%w: %d messages in Slack", harness.ErrNotYet, len(slack.Messages()))
		})
	})
	for name, server := range map[string]*harness.Syslog{"SyslogTCP": tcp, "SyslogUDP": udp} {
		t.Run(name, func(t *testing.T) {
			harness.Eventually(t, 10*time.Second, func() error {
				for _, m := range server.Messages(t) {
					if m.Message != nil && strings.Contains(*m.Message, "Docker Socket Access Detected") {
						if m.Hostname == nil || *m.Hostname != "e2e" || m.Appname == nil || *m.Appname != "tocsin" {
							t.Errorf("host %v, app %v", m.Hostname, m.Appname)
						}
						return nil
					}
				}
				return harness.ErrNotYet
			})
		})
	}
	n.Signal(syscall.SIGTERM)
	if code := n.Wait(15 * time.Second); code != 0 {
		t.Errorf("after SIGTERM: exit code %d", code)
	}
}

// checkTutorialAlert checks what an alert has to carry.
func checkTutorialAlert(t *testing.T, a *finding.Alert, container string) {
	t.Helper()
	if a == nil {
		t.Fatal("no alert")
	}
	if a.ID == "" || a.Rule.ID != "RMM-1" || a.Rule.Name != "Docker Socket Access Detected" || a.Severity != finding.Info {
		t.Errorf("id %q, rule %+v, severity %v", a.ID, a.Rule, a.Severity)
	}
	if len(a.Attack) != 1 || a.Attack[0].Technique != (finding.Ref{ID: "T1609", Name: "Container Administration Command"}) ||
		a.Attack[0].Tactic != (finding.Ref{ID: "TA0002", Name: "Execution"}) {
		t.Errorf("ATT&CK %+v, want TA0002 Execution, T1609 Container Administration Command", a.Attack)
	}
	if a.Host != "e2e" || a.Origin != "container" || a.Container == nil || a.Container.ID != container {
		t.Errorf("host %q, origin %q, container %+v", a.Host, a.Origin, a.Container)
	}
	if a.Status != finding.Open || a.Count != 1 || a.FirstSeen.IsZero() || time.Since(a.LastSeen) > time.Hour {
		t.Errorf("status %q, count %d, first seen %v, last seen %v", a.Status, a.Count, a.FirstSeen, a.LastSeen)
	}
	if a.Process == nil || a.Process.PID == 0 || !strings.Contains(a.Process.Executable, "helper") || len(a.Process.Ancestors) == 0 {
		t.Errorf("process %+v, want the helper with its ancestors", a.Process)
	}
	if a.Finding == nil {
		t.Fatal("the alert carries no finding")
	}
	var event struct {
		EventName string `json:"eventName"`
		Args      []struct {
			Name  string `json:"name"`
			Value any    `json:"value"`
		} `json:"args"`
	}
	if err := json.Unmarshal(a.Finding.Event, &event); err != nil {
		t.Fatalf("event: %v\n%s", err, a.Finding.Event)
	}
	text, _ := json.Marshal(event.Args)
	if event.EventName != connectEvent || !strings.Contains(string(text), "/var/run/docker.sock") || !strings.Contains(string(text), "sockfd") {
		t.Errorf("event %s", a.Finding.Event)
	}
}
