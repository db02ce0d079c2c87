package router

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Alert is an alert as the router handles it. Key is the group it belongs to, while it is not closed.
type Alert struct {
	finding.Alert
	Key  string
	Last string // id of the latest finding, also while Finding is not loaded
}

// Thread is what the router remembers of telling one output, by one route, about one alert.
type Thread struct {
	Key      string    `json:"key"`
	Alert    string    `json:"alert"`
	Route    string    `json:"route"`
	Output   string    `json:"output"`
	Due      time.Time `json:"due,omitzero"`      // when to look at it again; zero: when something happens
	Pending  []string  `json:"pending,omitempty"` // ids of findings to tell of, oldest first
	Omitted  uint64    `json:"omitted,omitempty"` // findings to tell of beyond those
	Urgent   bool      `json:"urgent,omitempty"`  // a rise in severity or a new technique: nothing holds it back
	Told     uint64    `json:"told,omitempty"`    // notifications made so far
	Held     bool      `json:"held,omitempty"`    // times hold it back until Due: other times may let it go
	Since    time.Time `json:"since,omitzero"`    // of the first pending finding
	LastTold time.Time `json:"lastTold,omitzero"`
}

// Bucket is what the router remembers of an output with a rate.
type Bucket struct {
	Output  string    `json:"output"`
	Tokens  float64   `json:"tokens"`
	At      time.Time `json:"at"`             // when Tokens was true
	Due     time.Time `json:"due,omitzero"`   // when to send the digest
	Held    []string  `json:"held,omitempty"` // alerts for the digest, oldest first
	Omitted uint64    `json:"omitted,omitempty"`
	Digests uint64    `json:"digests,omitempty"` // digests made so far
}

const (
	maxPending = 10  // findings in one notification
	maxHeld    = 100 // alerts in one digest
)

// State is what the router works on: the part of its memory that a piece of work needs, and then the changes.
type State struct {
	Now      time.Time
	Silences []Silence

	Known    map[string]bool             // ids of findings that are in the store
	Handed   bool                        // what Direct says is on its way already
	Open     map[string]string           // group key → id of its alert that is not closed
	Alerts   map[string]*Alert           // by id
	Threads  map[string]*Thread          // by key
	Sources  map[string]*Source          // by key
	Buckets  map[string]*Bucket          // by output
	Findings map[string]*finding.Finding // by id: those that pending threads tell of

	// Notifications are to be queued once the changes are saved.
	Notifications []finding.Notification
	// Added are the findings that are new, with the alerts they belong to.
	Added []Added
	// Counts say what happened to notifications that were not sent: "silence", "inhibition", "time", "rate".
	Counts map[string]uint64

	changed struct {
		alerts, threads, sources, buckets map[string]bool
		dropped                           []string
	}
}

// Added is a new finding and the alerts it belongs to.
type Added struct {
	Finding *finding.Finding
	Alerts  []string
	Body    []byte // the finding's JSON, where it is at hand
}

// NewState returns an empty state for a piece of work at now.
func NewState(now time.Time, silences []Silence) *State {
	st := &State{
		Now: now, Silences: silences,
		Known: map[string]bool{}, Open: map[string]string{}, Alerts: map[string]*Alert{}, Threads: map[string]*Thread{},
		Sources: map[string]*Source{}, Buckets: map[string]*Bucket{}, Findings: map[string]*finding.Finding{},
		Counts: map[string]uint64{},
	}
	st.reset()
	return st
}

func (st *State) reset() {
	st.changed.alerts, st.changed.threads = map[string]bool{}, map[string]bool{}
	st.changed.sources, st.changed.buckets = map[string]bool{}, map[string]bool{}
	st.changed.dropped, st.Notifications, st.Added = nil, nil, nil
	clear(st.Counts)
}

// Changes are what is to be saved.
type Changes struct {
	Added   []Added
	Alerts  []*Alert
	Threads []*Thread
	Dropped []string // keys of threads that have ended
	Sources []*Source
	Buckets []*Bucket
}

// Changes returns what has changed, in an order that does not depend on the order of maps.
func (st *State) Changes() Changes {
	c := Changes{Added: st.Added, Dropped: st.changed.dropped}
	for _, id := range sortedNames(st.changed.alerts) {
		c.Alerts = append(c.Alerts, st.Alerts[id])
	}
	for _, k := range sortedNames(st.changed.threads) {
		if th := st.Threads[k]; th != nil {
			c.Threads = append(c.Threads, th)
		}
	}
	for _, k := range sortedNames(st.changed.sources) {
		c.Sources = append(c.Sources, st.Sources[k])
	}
	for _, k := range sortedNames(st.changed.buckets) {
		c.Buckets = append(c.Buckets, st.Buckets[k])
	}
	return c
}

// touch marks an alert as changed; its version grows once a piece of work.
func (st *State) touch(a *Alert) {
	if !st.changed.alerts[a.ID] {
		st.changed.alerts[a.ID] = true
		a.Version++
	}
}

func (st *State) save(th *Thread) { st.changed.threads[th.Key] = true }

func (st *State) drop(th *Thread) {
	delete(st.Threads, th.Key)
	delete(st.changed.threads, th.Key)
	st.changed.dropped = append(st.changed.dropped, th.Key)
}

// AddAlert puts a loaded alert into the state.
func (st *State) AddAlert(a *Alert) {
	st.Alerts[a.ID] = a
	if a.Status != finding.Closed {
		st.Open[a.Key] = a.ID
	}
}

// Needs are the keys of what a piece of work must find in the state, where it exists.
type Needs struct {
	Findings []string // ids: Known
	Groups   []string // keys: Open and Alerts, and all Threads of those alerts
	Sources  []string // keys
	Buckets  []string // outputs
}

// Needs says what Apply needs for the findings.
func (t *Table) Needs(list []*finding.Finding) Needs {
	n := Needs{}
	seen := map[string]bool{}
	for _, f := range list {
		n.Findings = append(n.Findings, f.ID)
		for _, g := range t.groupings(f) {
			if k := g.key(f); !seen[k] {
				seen[k] = true
				n.Groups = append(n.Groups, k)
			}
		}
		n.Sources = t.sourceKeys(n.Sources, f)
	}
	slices.Sort(n.Groups)
	n.Buckets = t.rated()
	return n
}

// Waiting are the ids of what Flush needs, once the due threads and buckets are in the state.
type Waiting struct {
	Alerts   []string
	Findings []string
}

// Waiting says which alerts and findings the due threads and buckets are about.
func (st *State) Waiting() Waiting {
	var w Waiting
	seen := map[string]bool{}
	add := func(list *[]string, id string) {
		if !seen[id] {
			seen[id] = true
			*list = append(*list, id)
		}
	}
	for _, key := range sortedNames(st.Threads) {
		th := st.Threads[key]
		add(&w.Alerts, th.Alert)
		for _, id := range th.Pending {
			add(&w.Findings, id)
		}
	}
	for _, o := range sortedNames(st.Buckets) {
		for _, id := range st.Buckets[o].Held {
			add(&w.Alerts, id)
		}
	}
	slices.Sort(w.Alerts)
	return w
}

// SourceKeys says which sources Flush needs, once the findings are in the state.
func (t *Table) SourceKeys(st *State) []string {
	var keys []string
	for _, id := range sortedNames(st.Findings) {
		keys = t.sourceKeys(keys, st.Findings[id])
	}
	for _, id := range sortedNames(st.Alerts) {
		if f := st.Alerts[id].Finding; f != nil {
			keys = t.sourceKeys(keys, f)
		}
	}
	return keys
}

// Buckets lists the outputs that have a rate.
func (t *Table) Buckets() []string { return t.rated() }

func (t *Table) rated() []string {
	var out []string
	for _, name := range sortedNames(t.outputs) {
		if t.outputs[name].Rate.Limit > 0 {
			out = append(out, name)
		}
	}
	return out
}

// digest makes an id of texts, none of which can run into the next.
func digest(prefix string, parts ...string) string {
	var buf [512]byte
	b := buf[:0]
	for _, p := range parts {
		b = append(append(strconv.AppendInt(b, int64(len(p)), 10), ':'), p...)
	}
	sum := sha256.Sum256(b)
	return prefix + hex.EncodeToString(sum[:16])
}

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
