// Package outputtest is the suite that every output passes, and the notifications it is tested with.
package outputtest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Time is when everything in the fixtures happens.
var Time = time.Date(2026, 11, 24, 9, 30, 15, 123456789, time.UTC)

// Finding returns a finding with every field set, in which each text that a format must escape occurs.
func Finding(i int) finding.Finding {
	start := Time.Add(-time.Minute)
	f := finding.Finding{
		ID: fmt.Sprintf("f-%032x", i+1), Time: Time.Add(time.Duration(i) * time.Second), Cluster: "prod", Host: "node-7", Origin: "container",
		Source: "tocsin", Severity: finding.High, Count: 1,
		Rule: finding.Rule{
			ID: "container_escape", Name: "Escape to host via mounted docker.sock", Version: "1.2.0",
			Description: "A container connects to the Docker socket | and = can \\ start others.\nThat is root on the host.",
			Tags:        []string{"linux", "container"}, References: []string{"https://attack.mitre.org/techniques/T1611/"},
			FalsePositives: []string{"Docker-in-Docker builders"}, Response: "Isolate the pod.",
			Properties: map[string]any{"Severity": 3, "MITRE ATT&CK": "Privilege Escalation: Escape to Host"},
		},
		Attack: []finding.Attack{
			{Tactic: finding.Ref{ID: "TA0004", Name: "Privilege Escalation"}, Technique: finding.Ref{ID: "T1611", Name: "Escape to Host"}},
			{
				Tactic: finding.Ref{ID: "TA0005", Name: "Defense Evasion"}, Technique: finding.Ref{ID: "T1055", Name: "Process Injection"},
				SubTechnique: &finding.Ref{ID: "T1055.008", Name: "Ptrace System Calls"},
			},
		},
		Process: &finding.Process{
			ExecID: "node-7:4711:1", PID: 4711, TID: 4712, PPID: 4700, StartTime: &start, Name: "curl", Executable: "/usr/bin/curl",
			Args: []string{"curl", "--unix-socket", "/var/run/docker.sock", "http://x/<a>&b=\"c\""}, Cwd: "/tmp", UID: 1000, EUID: 0, User: "app",
			Ancestors: []finding.Process{{PID: 4700, Name: "sh", Executable: "/bin/sh"}, {PID: 1, Name: "init"}},
		},
		Container:  &finding.Container{ID: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Name: "web", Image: "registry.example/web:1.4", Runtime: "containerd"},
		Kubernetes: &finding.Kubernetes{PodName: "web-6d9f-x2", Namespace: "shop", PodUID: "11111111-2222-3333-4444-555555555555", Labels: map[string]string{"app": "web"}},
		Event:      json.RawMessage(`{"eventName":"security_socket_connect","timestamp":1795512615123456789,"args":[{"name":"remote_addr","type":"string","value":"{'sa_family':'AF_UNIX','sun_path':'/var/run/docker.sock'}"}]}`),
		Data:       json.RawMessage(`{"path":"/var/run/docker.sock"}`),
		Message:    "curl in container web connects to /var/run/docker.sock",
	}
	f.SetFingerprint()
	return f
}

// Notification returns a notification of a kind. The same i gives the same one.
func Notification(kind finding.Kind, i int) finding.Notification {
	f := Finding(i)
	n := finding.Notification{ID: fmt.Sprintf("n-%032x", i+1), Kind: kind, Output: "out", Route: "page", Time: f.Time.Add(time.Second)}
	alert := finding.Alert{
		ID: fmt.Sprintf("a-%032x", i+1), Group: map[string]string{"rule": f.Rule.ID, "host": f.Host}, Status: finding.Open, Severity: f.Severity,
		Rule: f.Rule, Attack: f.Attack, Cluster: f.Cluster, Host: f.Host, Origin: f.Origin, Process: f.Process, Container: f.Container,
		Kubernetes: f.Kubernetes, FirstSeen: f.Time, LastSeen: f.Time.Add(time.Minute), Count: 3, Message: f.Message, Finding: &f, Version: 4,
	}
	switch kind {
	case finding.KindFinding:
		n.Findings = []finding.Finding{f}
	case finding.KindDigest:
		for j := range 3 {
			a := Notification(finding.KindAlert, i+j).Alert
			a.Finding = nil
			a.Severity = finding.Severity(2 + j)
			n.Digest = append(n.Digest, *a)
		}
		n.Omitted = 7
	case finding.KindTest:
	case finding.KindClosed:
		alert.Status, alert.Reason = finding.Closed, finding.FalsePositive
		n.Alert = &alert
	default:
		n.Alert, n.Findings = &alert, []finding.Finding{f}
	}
	return n
}

// Kinds are all kinds of notifications.
var Kinds = []finding.Kind{
	finding.KindAlert, finding.KindUpdate, finding.KindReminder, finding.KindClosed, finding.KindFinding, finding.KindDigest, finding.KindTest,
}
