// Package plan runs rules quickly and exactly: OPA plans a rule into its intermediate representation, and this package
// compiles that to closures. Built-in functions are OPA's own. Whatever the plan asks of the event is made when it is
// asked for; get_tracee_argument is a look-up.
//
// A Plan is immutable. A Machine runs plans, one at a time; it belongs to one goroutine.
package plan

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"

	"github.com/tocsin-io/tocsin/detect/input"
	"github.com/tocsin-io/tocsin/event"
)

// Errors of an evaluation.
var (
	ErrTimeout  = errors.New("evaluation took longer than its time-out")
	ErrConflict = errors.New("the rule gives two different answers")
)

// Plan is a compiled rule.
type Plan struct {
	entry *function
	data  *ast.Term
	funcs int
}

// Machine runs plans. The zero value is ready for Begin.
type Machine struct {
	event   *event.Event
	forms   [2]input.Lazy // the event with addresses as objects, and as text
	begun   [2]bool
	lazy    *input.Lazy
	root    *ast.Term // stands for input: what is below it is made when it is asked for
	args    *ast.Term // stands for input.args, and below for its elements
	each    [event.MaxArgs]ast.Term
	changed []*change // what stands for input "with" another value somewhere, of the present run
	plan    *Plan
	memo    []memo
	spare   [][]memo
	stack   []*ast.Term
	result  *ast.Term // of the function that has just returned
	err     error
	steps   int
	depth   int
	stop    time.Time
	context topdown.BuiltinContext
	operand [8]*ast.Term
}

// change is input with another value for one member. Most rules then ask for little of the rest.
type change struct {
	term  *ast.Term // stands for it
	of    *ast.Term // the input that it is a change of
	key   *ast.Term
	value *ast.Term
	doc   *ast.Term // the whole, once somebody asked
}

// maxChanged bounds the changed inputs of one run: every look at the input asks whether it is one. Others are made whole.
const maxChanged = 16

// changedInput returns what the term stands for, if that is a changed input.
func (m *Machine) changedInput(t *ast.Term) *change {
	for _, c := range m.changed {
		if c.term == t {
			return c
		}
	}
	return nil
}

// change returns what stands for the input, itself or changed before, with v at the path; nil when that can't be.
func (m *Machine) change(in *ast.Term, path []*ast.Term, v *ast.Term) *ast.Term {
	if !m.isInput(in) || len(m.changed) == maxChanged {
		return nil
	}
	old := m.get(in, path[0])
	if old == nil {
		old = ast.ObjectTerm()
	}
	old = m.force(old)
	c := &change{term: ast.NewTerm(ast.Null{}), of: in, key: path[0], value: upsert(old, path[1:], v)}
	m.changed = append(m.changed, c)
	return c.term
}

// memo is the value of a rule in one evaluation.
type memo struct {
	known bool
	value *ast.Term
}

// fresh returns room for what n functions give.
func (m *Machine) fresh(n int) []memo {
	if last := len(m.spare) - 1; last >= 0 && cap(m.spare[last]) >= n {
		out := m.spare[last][:n]
		m.spare = m.spare[:last]
		clear(out)
		return out
	}
	return make([]memo, n)
}

// place is the value of what stands for an element of input.args.
type place struct {
	ast.Null
	at int
}

// arg is what stands for an element of input.args.
func (m *Machine) arg(i int) *ast.Term {
	t := &m.each[i]
	if t.Value == nil {
		t.Value = place{at: i}
	}
	return t
}

// isArg reports whether a term stands for an element of input.args.
func (m *Machine) isArg(t *ast.Term) bool { _, ok := t.Value.(place); return ok }

// SetContext sets the context that built-in functions see.
func (m *Machine) SetContext(ctx context.Context) { m.context.Context = ctx }

// Begin makes the machine look at an event. What was made of it is shared by all plans that run until the next Begin.
func (m *Machine) Begin(ev *event.Event) {
	if m.root == nil {
		m.root, m.args = ast.NewTerm(ast.Null{}), ast.NewTerm(ast.Null{})
		m.context.Seed, m.context.Cache, m.context.Cancel = rand.Reader, builtins.Cache{}, topdown.NewCancel()
		if m.context.Context == nil {
			m.context.Context = context.Background()
		}
	}
	m.event = ev
	m.begun = [2]bool{}
}

// Run asks a plan about the event. The value is nil when the rule is undefined. timeout 0 is none.
func (m *Machine) Run(p *Plan, addressText bool, timeout time.Duration) (ast.Value, error) {
	form := 0
	if addressText {
		form = 1
	}
	m.lazy = &m.forms[form]
	if !m.begun[form] {
		m.lazy.Reset(m.event, addressText)
		m.begun[form] = true
	}
	m.plan, m.err, m.steps, m.depth = p, nil, 0, 0
	m.stack, m.changed = m.stack[:0], m.changed[:0]
	if cap(m.memo) < p.funcs {
		m.memo = make([]memo, p.funcs)
	}
	m.memo = m.memo[:p.funcs]
	clear(m.memo)
	clear(m.context.Cache)
	m.context.Time = nil
	m.stop = time.Time{}
	if timeout > 0 {
		m.stop = time.Now().Add(timeout)
	}
	out := m.call(p.entry, m.root, p.data)
	if m.err != nil {
		return nil, m.err
	}
	if out == nil {
		return nil, nil
	}
	return m.force(out).Value, nil
}

// force makes the real value of a term that may stand for the whole input, or its arguments.
func (m *Machine) force(t *ast.Term) *ast.Term {
	switch t {
	case m.root:
		return m.lazy.Document()
	case m.args:
		return m.lazy.Args()
	}
	if p, ok := t.Value.(place); ok {
		return m.lazy.Args().Value.(*ast.Array).Elem(p.at)
	}
	if c := m.changedInput(t); c != nil {
		if c.doc == nil {
			c.doc = upsert(m.force(c.of), []*ast.Term{c.key}, c.value)
		}
		return c.doc
	}
	return t
}

// isInput reports whether a term stands for the input, changed or not.
func (m *Machine) isInput(t *ast.Term) bool { return t == m.root || m.changedInput(t) != nil }

func (m *Machine) fail(err error) ctrl {
	if m.err == nil {
		m.err = err
	}
	return failed
}

const (
	checkEvery = 256 // steps between looks at the clock
	// minSteps is the work after which time counts: on a busy machine a short evaluation may wait longer for the processor
	// than its time-out, and must not be lost for that.
	minSteps = 20_000
	maxDepth = 1000 // calls within calls; Rego has no recursion
)

// step counts work, and ends an evaluation that takes too long.
func (m *Machine) step() bool {
	m.steps++
	if m.steps%checkEvery == 0 && m.steps >= minSteps && !m.stop.IsZero() && time.Now().After(m.stop) {
		m.fail(ErrTimeout)
		return false
	}
	return true
}

// locals takes a frame from the stack.
func (m *Machine) locals(n int) []*ast.Term {
	at := len(m.stack)
	if at+n > cap(m.stack) {
		// Frames in use keep the old memory.
		grown := make([]*ast.Term, at, 2*(at+n)+64)
		copy(grown, m.stack)
		m.stack = grown
	}
	m.stack = m.stack[:at+n]
	f := m.stack[at : at+n : at+n]
	clear(f)
	return f
}

// call runs a function. The value is nil when it is undefined, or when m.err is set.
func (m *Machine) call(fn *function, args ...*ast.Term) *ast.Term {
	if !m.step() {
		return nil
	}
	if fn.argument && m.unchangedArgs(args[0]) {
		return m.argument(args[2])
	}
	memoize := len(fn.params) == 2
	if memoize && m.memo[fn.index].known {
		return m.memo[fn.index].value
	}
	if m.depth >= maxDepth {
		m.fail(errors.New("calls are nested too deep"))
		return nil
	}
	m.depth++
	at := len(m.stack)
	f := m.locals(fn.size)
	for i, p := range fn.params {
		f[p] = args[i]
	}
	var out *ast.Term
	for _, b := range fn.blocks {
		c := b.run(m, f)
		if c == returned {
			out = m.result
			break
		}
		if c == failed {
			break
		}
	}
	m.stack = m.stack[:at]
	m.depth--
	if m.err != nil {
		return nil
	}
	if memoize {
		m.memo[fn.index] = memo{true, out}
	}
	return out
}

var argsKey = ast.StringTerm("args")

// unchangedArgs reports whether a term stands for an input that has the event's arguments.
func (m *Machine) unchangedArgs(t *ast.Term) bool {
	for t != m.root {
		c := m.changedInput(t)
		if c == nil || c.key.Equal(argsKey) {
			return false
		}
		t = c.of
	}
	return true
}

// argument is get_tracee_argument.
func (m *Machine) argument(name *ast.Term) *ast.Term {
	s, ok := m.force(name).Value.(ast.String)
	if !ok {
		return nil // no argument has such a name
	}
	t, err := m.lazy.Arg(string(s))
	if err != nil {
		m.fail(fmt.Errorf("%w: %w", ErrConflict, err))
		return nil
	}
	return t
}

// get is value[key].
func (m *Machine) get(src, key *ast.Term) *ast.Term {
	key = m.force(key)
	if src == m.root {
		if key.Equal(argsKey) {
			return m.args
		}
		if s, ok := key.Value.(ast.String); ok {
			return m.lazy.Field(string(s))
		}
		return nil
	}
	if src == m.args {
		if i, ok := elementAt(key, m.lazy.Len()); ok {
			return m.arg(i)
		}
		return nil
	}
	if p, ok := src.Value.(place); ok {
		s, _ := key.Value.(ast.String)
		return m.lazy.ArgField(p.at, string(s))
	}
	if c := m.changedInput(src); c != nil {
		if c.key.Equal(key) {
			return c.value
		}
		return m.get(c.of, key)
	}
	switch x := src.Value.(type) {
	case ast.Object:
		return x.Get(key)
	case *ast.Array:
		if i, ok := elementAt(key, x.Len()); ok {
			return x.Elem(i)
		}
	case ast.Set:
		if x.Contains(key) {
			return key
		}
	}
	return nil
}

// elementAt reads the place of an element in a list of n.
func elementAt(key *ast.Term, n int) (int, bool) {
	v, ok := key.Value.(ast.Number)
	if !ok {
		return 0, false
	}
	i, ok := v.Int()
	return i, ok && i >= 0 && i < n
}

func (m *Machine) equal(a, b *ast.Term) bool {
	if a == nil || b == nil {
		return false
	}
	if a == b {
		return true
	}
	a, b = m.force(a), m.force(b)
	if x, ok := a.Value.(ast.String); ok {
		y, ok := b.Value.(ast.String)
		return ok && x == y
	}
	return a.Value.Compare(b.Value) == 0
}

// now sets the time that built-in functions see, once an evaluation.
func (m *Machine) now() {
	if m.context.Time == nil {
		m.context.Time = ast.NumberTerm(json.Number(strconv.FormatInt(time.Now().UnixNano(), 10)))
	}
}

// builtin calls a built-in function of OPA. An error in it is an undefined value, as in OPA's evaluator.
func (m *Machine) builtin(b *builtin, args []*ast.Term) (*ast.Term, ctrl) {
	if !m.step() {
		return nil, failed
	}
	for i, a := range args {
		args[i] = m.force(a)
	}
	if b.fast != nil {
		if out, ok := b.fast(args); ok {
			return out, next
		}
		args = slices.Clone(args)
	}
	m.now()
	var out *ast.Term
	var all []*ast.Term
	err := b.call(m.context, args, func(t *ast.Term) error {
		out = t
		if b.relation {
			all = append(all, t)
		}
		return nil
	})
	if b.relation {
		out = ast.ArrayTerm(all...)
	}
	if err != nil {
		var halt topdown.Halt
		if errors.As(err, &halt) {
			return nil, m.fail(halt.Err)
		}
		return nil, next
	}
	return out, next
}
