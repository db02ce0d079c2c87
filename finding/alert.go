package finding

import "time"

// Status is where people are with an alert.
type Status string

const (
	Open         Status = "open"
	Acknowledged Status = "acknowledged"
	Closed       Status = "closed"
)

// Reason says why an alert was closed.
type Reason string

const (
	TruePositive  Reason = "true_positive"
	FalsePositive Reason = "false_positive"
	Expected      Reason = "expected"
)

// Alert is what people handle: the findings of one group, from the first one until it is closed.
type Alert struct {
	ID         string            `json:"id"`
	Group      map[string]string `json:"group"` // the fields that its findings have in common, "rule": "docker_socket", …
	Status     Status            `json:"status"`
	Reason     Reason            `json:"reason,omitempty"`
	Assignee   string            `json:"assignee,omitempty"`
	Severity   Severity          `json:"severity"` // the highest of its findings
	Rule       Rule              `json:"rule"`
	Attack     []Attack          `json:"attack"` // of all its findings
	Cluster    string            `json:"cluster,omitempty"`
	Host       string            `json:"host"`
	Origin     string            `json:"origin"`
	Process    *Process          `json:"process,omitempty"`
	Container  *Container        `json:"container,omitempty"`
	Kubernetes *Kubernetes       `json:"kubernetes,omitempty"`
	FirstSeen  time.Time         `json:"firstSeen"`
	LastSeen   time.Time         `json:"lastSeen"`
	Count      uint64            `json:"count"`
	Message    string            `json:"message,omitempty"`
	Finding    *Finding          `json:"finding,omitempty"` // the latest one, with its event
	// Suppressed records why people were not told: silences, inhibitions, rate limits, each counted.
	Suppressed []Suppression `json:"suppressed,omitempty"`
	Version    uint64        `json:"version"` // grows with each change; the ETag
}

// Suppression is one reason why notifications of an alert were held back.
type Suppression struct {
	Kind  string    `json:"kind"` // "silence", "inhibition", "rate", "time"
	Name  string    `json:"name"`
	Count uint64    `json:"count"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// Kind is why a notification is sent.
type Kind string

const (
	KindAlert    Kind = "alert"    // an alert came up
	KindUpdate   Kind = "update"   // more findings of a known alert
	KindReminder Kind = "reminder" // nobody has acknowledged it
	KindClosed   Kind = "closed"
	KindFinding  Kind = "finding" // a single finding, for machines that want each (group: none)
	KindDigest   Kind = "digest"  // what a rate limit held back, in one message
	KindTest     Kind = "test"
)

// Notification is one message to one output. It is made once, kept in the queue until the destination has taken it,
// and its ID is the same on every try.
type Notification struct {
	ID     string    `json:"id"`
	Kind   Kind      `json:"kind"`
	Output string    `json:"output"`
	Route  string    `json:"route"`
	Time   time.Time `json:"time"`
	Alert  *Alert    `json:"alert,omitempty"`
	// Findings are the ones this message tells of, newest last, bounded; Omitted counts the others.
	Findings []Finding `json:"findings,omitempty"`
	Omitted  uint64    `json:"omitted,omitempty"`
	Digest   []Alert   `json:"digest,omitempty"`
	// Attempt counts the tries before this one: above 0 the destination may have seen the message already.
	Attempt int `json:"attempt,omitempty"`
	// Body is the notification's JSON as it came out of a queue; nil for one that was made here.
	Body []byte `json:"-"`
}
