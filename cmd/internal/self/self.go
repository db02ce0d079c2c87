// Package self makes findings about Tocsin itself: whoever blinds the sensor must not do so in silence.
package self

import (
	"encoding/json"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Kind is one of the things that a finding about Tocsin says.
type Kind struct {
	id, name, description, response, technique string
	severity                                   finding.Severity
}

// The kinds of findings.
var (
	EventsLost = Kind{
		id: "tocsin_events_lost", name: "Events are lost", severity: finding.Medium, technique: "T1562.006",
		description: "The sensor cannot keep up, and events of this host go unseen. A flood may be meant to hide something else.",
		response:    "See which events and causes the data names. Look for a process that floods the host; else give the sensor a larger ring buffer (sensor.ring_buffer) or more CPU.",
	}
	Starved = Kind{
		id: "tocsin_sensor_starved", name: "Sensor gets no CPU", severity: finding.High, technique: "T1562.001",
		description: "The kernel gives events, and the sensor handles none: it is stopped, or starved of CPU.",
		response:    "Look at the sensor's process (state, priority, cgroup limits) and at who sent it SIGSTOP.",
	}
	FindingsLost = Kind{
		id: "tocsin_findings_lost", name: "Findings are lost", severity: finding.High, technique: "T1562.006",
		description: "The sensor finds more than NATS takes and its spool holds: findings are dropped, the least severe first.",
		response:    "See whether NATS can be reached. Look for a rule that finds the same over and over (tocsin_rule_results_total); else give the spool more room (sensor.spool.max).",
	}
	Tampered = Kind{
		id: "tocsin_sensor_tampered", name: "Sensor was tampered with", severity: finding.Critical, technique: "T1562.001",
		description: "Somebody detached programs of the sensor, or changed its tables in the kernel. What could be put back was, but until then events may have gone unseen.",
		response:    "Only who may load BPF programs, or debug the sensor, can do that: treat the host as taken over, and look at what ran in the minute before. What could not be put back comes back when the sensor is started again.",
	}
	Killed = Kind{
		id: "tocsin_sensor_killed", name: "Sensor was killed", severity: finding.High, technique: "T1562.001",
		description: "The sensor started again without having been stopped: it was killed, or crashed. In between its host was not watched.",
		response:    "Find out who killed it (kernel log: out of memory; a signal; a crash in the sensor's own log), and what ran meanwhile.",
	}
	Silent = Kind{
		id: "tocsin_sensor_silent", name: "Sensor went silent", severity: finding.High, technique: "T1562.001",
		description: "A sensor gives no sign of life, and was not stopped as it should be. Its host is not watched.",
		response:    "See whether the host is up and reaches NATS. If it is, find out who killed the sensor, and start it again.",
	}
	Stopped = Kind{
		id: "tocsin_sensor_stopped", name: "Sensor was stopped", severity: finding.Low, technique: "T1562.001",
		description: "A sensor was told to stop, and did. Its host is not watched.",
		response:    "If nobody stops the sensor for a good reason, find out who did, and start it again.",
	}
)

// Finding makes a finding about the sensor of a host. seed tells apart what happened at different times: the same seed
// gives the same finding, however often it is made. data, when not nil, becomes the finding's data.
func Finding(k Kind, cluster, host, seed, message string, data any) *finding.Finding {
	f := &finding.Finding{
		ID: finding.NewID(host, k.id, time.Time{}, []byte(cluster+"\x00"+seed)), Time: time.Now(), Cluster: cluster, Host: host, Origin: "host", Source: "tocsin",
		Rule:     finding.Rule{ID: k.id, Name: k.name, Version: "1", Description: k.description, Response: k.response, Tags: []string{"tocsin"}},
		Severity: k.severity, Message: k.name + ": " + message,
	}
	f.Attack, _ = finding.ATTACK().Resolve(k.technique)
	if data != nil {
		if b, err := json.Marshal(data); err == nil {
			f.Data = b
		}
	}
	f.SetFingerprint()
	return f
}
