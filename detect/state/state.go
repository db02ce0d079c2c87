// Package state gives rules a memory that counts over a window of the events' own time, and that knows what it has
// seen. It is kept per rule, bounded, and expires. A rule in Go has a Memory of its own; rules in Rego have functions:
//
//	tocsin.count_within(key, seconds)            how many times the rule asked with this key, this time included
//	tocsin.distinct_within(key, value, seconds)  how many different values it named with this key
//	tocsin.first_seen(scope, value)              true when it names the value in this scope for the first time
//
// Asking is what counts: put the call last in a rule, after the conditions. Where a rule runs without a memory, as in its
// unit tests, each call is the first one.
package state

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

// Bounds of one rule's memory.
const (
	maxKeys   = 4096
	maxValues = 1024 // times or values of one key; more are not told apart
)

// Memory is what one rule remembers. The zero value is ready. It is used by one goroutine at a time, as rules are.
type Memory struct {
	counts map[string]*window
	scopes map[string]map[string]struct{}
}

type window struct {
	times  []time.Time
	values map[string]time.Time
	last   time.Time
	within time.Duration
}

// Context carries a memory and the event's time to the built-in functions. It is reused from event to event.
type Context struct {
	context.Context
	Memory *Memory
	Now    time.Time
}

type contextKey struct{}

// Value returns the context itself to the built-in functions.
func (c *Context) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func from(ctx context.Context) *Context {
	if ctx == nil {
		return nil
	}
	c, _ := ctx.Value(contextKey{}).(*Context)
	if c == nil || c.Memory == nil {
		return nil
	}
	return c
}

func init() {
	key := types.Named("key", types.A)
	seconds := types.Named("seconds", types.N)
	count := types.Named("count", types.N)
	rego.RegisterBuiltin2(&rego.Function{
		Name: "tocsin.count_within", Description: "How many times the rule asked with this key in the last seconds.",
		Decl: types.NewFunction(types.Args(key, seconds), count), Nondeterministic: true,
	}, func(b rego.BuiltinContext, k, s *ast.Term) (*ast.Term, error) {
		c := from(b.Context)
		d, ok := duration(s)
		switch {
		case !ok:
			return nil, nil
		case c == nil:
			return ast.InternedTerm(1), nil
		}
		return ast.InternedTerm(c.Memory.Count(k.String(), d, c.Now)), nil
	})
	rego.RegisterBuiltin3(&rego.Function{
		Name: "tocsin.distinct_within", Description: "How many different values the rule named with this key in the last seconds.",
		Decl: types.NewFunction(types.Args(key, types.Named("value", types.A), seconds), count), Nondeterministic: true,
	}, func(b rego.BuiltinContext, k, v, s *ast.Term) (*ast.Term, error) {
		c := from(b.Context)
		d, ok := duration(s)
		switch {
		case !ok:
			return nil, nil
		case c == nil:
			return ast.InternedTerm(1), nil
		}
		return ast.InternedTerm(c.Memory.Distinct(k.String(), v.String(), d, c.Now)), nil
	})
	rego.RegisterBuiltin2(&rego.Function{
		Name: "tocsin.first_seen", Description: "Whether the rule names the value in this scope for the first time.",
		Decl: types.NewFunction(types.Args(types.Named("scope", types.A), types.Named("value", types.A)), types.Named("first", types.B)), Nondeterministic: true,
	}, func(b rego.BuiltinContext, scope, v *ast.Term) (*ast.Term, error) {
		c := from(b.Context)
		if c == nil {
			return ast.InternedTerm(true), nil
		}
		return ast.InternedTerm(c.Memory.First(scope.String(), v.String())), nil
	})
}

func duration(t *ast.Term) (time.Duration, bool) {
	n, ok := t.Value.(ast.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(json.Number(n)), 64)
	return time.Duration(f * float64(time.Second)), err == nil && f > 0 && f < 1e9
}

func (m *Memory) window(kind, key string, within time.Duration, now time.Time) *window {
	if m.counts == nil {
		m.counts = map[string]*window{}
	}
	key = kind + within.String() + "\x00" + key
	w := m.counts[key]
	if w == nil {
		MakeRoom(m.counts, func(w *window) bool { return now.Sub(w.last) >= w.within })
		w = &window{within: within}
		m.counts[key] = w
	}
	w.last = now
	return w
}

// Count returns how many times it was called with the key in the time before now, this call included.
func (m *Memory) Count(key string, within time.Duration, now time.Time) int {
	w := m.window("c", key, within, now)
	for len(w.times) > 0 && (now.Sub(w.times[0]) >= within || len(w.times) >= maxValues) {
		w.times = w.times[1:]
	}
	w.times = append(w.times, now)
	return len(w.times)
}

// Distinct returns how many different values came with the key in the time before now.
func (m *Memory) Distinct(key, value string, within time.Duration, now time.Time) int {
	w := m.window("d", key, within, now)
	if w.values == nil {
		w.values = map[string]time.Time{}
	}
	for v, at := range w.values {
		if now.Sub(at) >= within {
			delete(w.values, v)
		}
	}
	if _, ok := w.values[value]; ok || len(w.values) < maxValues {
		w.values[value] = now
	}
	return len(w.values)
}

// First reports whether the value comes for the first time in the scope: a container, a process.
func (m *Memory) First(scope, value string) bool {
	if m.scopes == nil {
		m.scopes = map[string]map[string]struct{}{}
	}
	s := m.scopes[scope]
	if s == nil {
		MakeRoom(m.scopes, func(map[string]struct{}) bool { return false })
		s = map[string]struct{}{}
		m.scopes[scope] = s
	}
	if _, ok := s[value]; ok {
		return false
	}
	MakeRoom(s, func(struct{}) bool { return false })
	s[value] = struct{}{}
	return true
}

// MakeRoom keeps a map bounded: when it is full it drops what is over, or a quarter at random, so that whoever makes many
// keys can't choose whose memory goes.
func MakeRoom[T any](m map[string]T, over func(T) bool) {
	if len(m) < maxKeys {
		return
	}
	for k, v := range m {
		if over(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) <= maxKeys*3/4 {
			return
		}
		delete(m, k)
	}
}
