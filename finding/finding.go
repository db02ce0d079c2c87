// Package finding defines what the detector says and the router handles: a Finding is the fact that a rule matched an
// event. It is immutable, travels as JSON, and carries all that a person or a SIEM needs to judge it.
package finding

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// Finding is one match of one rule.
type Finding struct {
	ID          string    `json:"id"` // deterministic: the same rule and event give the same id, see NewID
	Time        time.Time `json:"time"`
	Cluster     string    `json:"cluster,omitempty"`
	Host        string    `json:"host"`
	Origin      string    `json:"origin"` // "host", "container", "container-init"
	Source      string    `json:"source"` // "tocsin", "falco", "tracee"
	Rule        Rule      `json:"rule"`
	Severity    Severity  `json:"severity"`
	Attack      []Attack  `json:"attack,omitempty"`
	Fingerprint string    `json:"fingerprint"` // equal for findings that say the same; see Finding.SetFingerprint
	// Count is how many matches the finding stands for: more than 1 when the rule's rate limit held some back.
	Count      uint64          `json:"count,omitempty"`
	Process    *Process        `json:"process,omitempty"`
	Container  *Container      `json:"container,omitempty"`
	Kubernetes *Kubernetes     `json:"kubernetes,omitempty"`
	Event      json.RawMessage `json:"event,omitempty"` // the whole event, as rules see it
	Data       json.RawMessage `json:"data,omitempty"`  // what the rule returned
	Message    string          `json:"message,omitempty"`
}

// Rule is the part of a rule's metadata that travels with its findings.
type Rule struct {
	ID             string         `json:"id"`
	Name           string         `json:"name"`
	Version        string         `json:"version,omitempty"`
	Description    string         `json:"description,omitempty"`
	Tags           []string       `json:"tags,omitempty"`
	References     []string       `json:"references,omitempty"`
	FalsePositives []string       `json:"falsePositives,omitempty"`
	Response       string         `json:"response,omitempty"`
	Properties     map[string]any `json:"properties,omitempty"` // the metadata's properties, unchanged
}

// Process is the process that caused a finding.
type Process struct {
	ExecID     string     `json:"execId,omitempty"`
	PID        uint32     `json:"pid"`
	TID        uint32     `json:"tid,omitempty"`
	PPID       uint32     `json:"ppid,omitempty"`
	StartTime  *time.Time `json:"startTime,omitempty"`
	Name       string     `json:"name"`
	Executable string     `json:"executable,omitempty"`
	Args       []string   `json:"args,omitempty"`
	Cwd        string     `json:"cwd,omitempty"`
	UID        uint32     `json:"uid"`
	EUID       uint32     `json:"euid"`
	User       string     `json:"user,omitempty"`
	// Capabilities are the effective ones, by name: "CAP_NET_ADMIN". Ancestors come without.
	Capabilities []string  `json:"capabilities,omitempty"`
	ContainerID  string    `json:"containerId,omitempty"`
	Ancestors    []Process `json:"ancestors,omitempty"` // nearest first
}

// Container is the container that a finding is about.
type Container struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	Image       string `json:"image,omitempty"`
	ImageDigest string `json:"imageDigest,omitempty"`
	Runtime     string `json:"runtime,omitempty"`
}

// Kubernetes is the pod that a finding is about.
type Kubernetes struct {
	PodName   string            `json:"podName,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	PodUID    string            `json:"podUID,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// Attack is one ATT&CK technique, or, where a rule names only a tactic, that tactic.
type Attack struct {
	Tactic       Ref  `json:"tactic,omitzero"`
	Technique    Ref  `json:"technique,omitzero"`
	SubTechnique *Ref `json:"subTechnique,omitempty"`
}

// Ref is an ATT&CK id with its name.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// NewID returns the id of the finding that rule makes of an event: the same event, replayed or sent twice, gives the
// same id, so that every later stage can drop repeats. seed must identify the event on its host (its record). An id begins
// with the second of the event, at: what comes in together then lies together in the indexes of a database, where ids
// all over the place would have it write a page for each. at is zero where the same event may be said to be of several times.
func NewID(host, ruleID string, at time.Time, seed []byte) string {
	h := sha256.New()
	var buf [256]byte
	h.Write(appendPart(appendPart(buf[:0], host), ruleID))
	h.Write(seed)
	second := uint32(0)
	if !at.IsZero() {
		second = uint32(at.Unix())
	}
	sum := binary.BigEndian.AppendUint32(buf[:0], second)
	sum = h.Sum(sum)
	id := [2 + 32]byte{'f', '-'}
	hex.Encode(id[2:], sum[:16])
	return string(id[:])
}

// appendPart appends a text with its length before it, so that parts can't run into each other.
func appendPart(dst []byte, s string) []byte {
	dst = append(strconv.AppendInt(dst, int64(len(s)), 10), ':')
	return append(dst, s...)
}

// SetFingerprint fills Fingerprint from what makes two findings the same to a person: rule, host, container image or
// id, and the executable.
func (f *Finding) SetFingerprint() {
	var buf [512]byte
	b := appendPart(buf[:0], f.Rule.ID)
	b = appendPart(b, f.Cluster)
	b = appendPart(b, f.Host)
	if f.Container != nil {
		b = appendPart(b, f.Container.ID)
	}
	if f.Process != nil {
		b = appendPart(b, f.Process.Executable)
		b = appendPart(b, f.Process.Name)
	}
	sum := sha256.Sum256(b)
	f.Fingerprint = hex.EncodeToString(sum[:16])
}

// buffers are for findings while they are written: how long one gets is not known before.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Marshal writes JSON on one line, with <, > and & as they are: command lines are full of them, and receivers are no web pages.
func Marshal(x any) ([]byte, error) {
	if f, ok := x.(*Finding); ok {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		b, err := f.AppendJSON((*buf)[:0])
		if err != nil {
			return nil, err
		}
		*buf = b
		return bytes.Clone(b), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(x); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
