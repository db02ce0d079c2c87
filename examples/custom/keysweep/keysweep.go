// Package keysweep is an example of a rule in Go with a memory: one process opens several private SSH keys.
package keysweep

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/state"
	"github.com/tocsin-io/tocsin/event"
)

// The rule: this many keys, by one process, within this time.
const (
	keys   = 3
	within = time.Minute
)

func init() {
	detect.Register(New())
}

// Rule finds a process that opens several private keys.
type Rule struct {
	meta   *detect.Metadata
	path   int // number of the argument
	memory state.Memory
}

// New makes the rule.
func New() *Rule {
	meta, err := detect.MetadataOf(map[string]any{
		"id": "ssh_key_sweep", "version": "1.0.0", "name": "Several private SSH keys opened",
		"description": "One process opened several private SSH keys within a minute: it may be looking for a way to other hosts.",
		"properties":  map[string]any{"Severity": json.Number("3"), "MITRE ATT&CK": "T1552.004"},
	})
	if err != nil {
		panic(err) // it does not depend on anything outside of this file
	}
	return &Rule{meta: meta, path: event.ByName("security_file_open").Arg("pathname")}
}

// Metadata describes the rule, as __rego_metadoc__ does in Rego.
func (r *Rule) Metadata() *detect.Metadata { return r.meta }

// Selectors says which events the rule sees.
func (r *Rule) Selectors() []detect.Selector {
	return []detect.Selector{{Source: "tracee", Name: "security_file_open"}}
}

// Condition spares the rule, and the sensor, all events that it would refuse: it is optional, and decides what a rule costs.
func (r *Rule) Condition() *native.Node {
	return &native.Node{Op: native.Contains, Term: native.Term{Arg: "pathname"}, Strs: []string{"/.ssh/id_"}}
}

// Match is given each event that satisfies the condition. The event is only valid during the call.
func (r *Rule) Match(_ context.Context, ev *event.Event) (*detect.Match, error) {
	path := ev.Str(r.path)
	if !strings.Contains(path, "/.ssh/id_") || strings.HasSuffix(path, ".pub") {
		return nil, nil
	}
	// A process id alone may be used again: with the start time it is one process for ever.
	process := strconv.FormatUint(uint64(ev.HostPID), 10) + " " + strconv.FormatUint(ev.LeaderStart, 10)
	now := time.Unix(0, int64(ev.Timestamp))
	if r.memory.Distinct(process, strings.Clone(path), within, now) != keys {
		return nil, nil // too few, or found already
	}
	data, err := json.Marshal(map[string]string{"last": path})
	if err != nil {
		return nil, err
	}
	return &detect.Match{Data: data, Message: fmt.Sprintf("%s opened %d private SSH keys within %v", ev.CommString(), keys, within)}, nil
}
