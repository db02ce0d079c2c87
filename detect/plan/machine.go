// Package plan runs rules quickly and exactly: OPA plans a rule into its intermediate representation, and this package
// compiles that to closures. The built-in functions that rules call most are here, the others are OPA's own. Whatever the plan asks of the
// event is made when it is asked for; get_tracee_argument is a look-up.
//
// A Plan is immutable. A Machine runs plans, one at a time; it belongs to one goroutine.
package plan

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"

	"github.com/tocsin-io/tocsin/detect/input"
	"github.com/tocsin-io/tocsin/detect/value"
	"github.com/tocsin-io/tocsin/event"
)

// Errors of an evaluation.
var (
	ErrTimeout  = errors.New("evaluation took longer than its time-out")
	ErrConflict = errors.New("the rule gives two different answers")
	// errInner is a conflict further in.
	errInner = fmt.Errorf("%w: %w", ErrConflict, ErrUnsure)
	// ErrUnsure is the error of an evaluation in which OPA's evaluator may not meet a conflict: it stops at the first answer where it can.
	ErrUnsure = errors.New("in a rule or function that it uses")
)

// Plan is a compiled rule.
type Plan struct {
	entry *function
	data  *value.Value
	funcs int
}

// Machine runs plans. The zero value is ready for Begin.
type Machine struct {
	arena   value.Arena // of what is made for the event
	event   *event.Event
	forms   [2]input.Lazy // the event with addresses as objects, and as text
	begun   [2]bool
	lazy    *input.Lazy
	changes []change // of the input, in the present run
	memo    []memo
	stack   []*value.Value
	result  *value.Value // of the function that has just returned
	err     error
	steps   int
	depth   int
	stop    time.Time
	context topdown.BuiltinContext
	operand [8]*value.Value
	text    []byte           // room for texts being made
	path    []*value.Value   // where the present walk is
	room    [32]*value.Value // … for it
}

// change is input with another value for one member. Most rules then ask for little of the rest.
type change struct{ of, key, to *value.Value }

// change returns what stands for the input, itself or changed before, with v at the path.
func (m *Machine) change(in *value.Value, path []*value.Value, v *value.Value) *value.Value {
	if in.Kind() != value.Object {
		return m.arena.With(nil, path, v)
	}
	if len(path) > 1 {
		v = m.arena.With(in.Get(path[0]), path[1:], v)
	}
	m.changes = append(m.changes, change{in, path[0], v})
	return m.arena.From(value.Object, (*changed)(m), len(m.changes)-1)
}

// changed makes what is asked of changed inputs.
type changed Machine

// Member makes a member of a changed input.
func (m *changed) Member(v, key *value.Value) *value.Value {
	c := &m.changes[v.Place()]
	if value.Equal(c.key, key) {
		return c.to
	}
	return c.of.Get(key)
}

// Fill makes the whole of a changed input, of what the other is made of.
func (m *changed) Fill(v *value.Value) {
	c := m.changes[v.Place()]
	m.arena.Copy(v, c.of, c.key, c.to)
}

// memo is the value that a rule had last in the present run, with this input and these data.
type memo struct {
	known           bool
	in, data, value *value.Value
}

// SetContext sets the context that built-in functions see.
func (m *Machine) SetContext(ctx context.Context) { m.context.Context = ctx }

// Begin makes the machine look at an event. What was made of it is shared by all plans that run until the next Begin.
func (m *Machine) Begin(ev *event.Event) {
	if m.context.Cache == nil {
		m.context.Seed, m.context.Cache, m.context.Cancel = rand.Reader, builtins.Cache{}, topdown.NewCancel()
		if m.context.Context == nil {
			m.context.Context = context.Background()
		}
	}
	m.event = ev
	m.begun = [2]bool{}
	m.arena.Reset()
}

// Run asks a plan about the event. The value is nil when the rule is undefined, and valid until the next Begin. timeout 0 is none.
func (m *Machine) Run(p *Plan, addressText bool, timeout time.Duration) (*value.Value, error) {
	form := 0
	if addressText {
		form = 1
	}
	m.lazy = &m.forms[form]
	if !m.begun[form] {
		m.lazy.Reset(&m.arena, m.event, addressText)
		m.begun[form] = true
	}
	m.err, m.steps, m.depth = nil, 0, 0
	m.stack, m.changes, m.path = m.stack[:0], m.changes[:0], m.room[:0]
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
	out := m.call(p.entry, []*value.Value{m.lazy.Document(), p.data}, entryOperands)
	if m.err != nil {
		return nil, m.err
	}
	return out, nil
}

// JSON writes a value that Run returned: see value.Value.AppendJSON. It is valid until the next Run.
func (m *Machine) JSON(v *value.Value) ([]byte, bool) {
	out, ok := v.AppendJSON(m.text[:0])
	m.text = out
	return out, ok
}

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
func (m *Machine) locals(n int) []*value.Value {
	at := len(m.stack)
	if at+n > cap(m.stack) {
		// Frames in use keep the old memory.
		grown := make([]*value.Value, at, 2*(at+n)+64)
		copy(grown, m.stack)
		m.stack = grown
	}
	m.stack = m.stack[:at+n]
	f := m.stack[at : at+n : at+n]
	clear(f)
	return f
}

// entryOperands are those of a rule: the input and the data.
var entryOperands = []operand{{local: 0}, {local: 1}}

// call runs a function with operands of the caller's. The value is nil when it is undefined, or when m.err is set.
func (m *Machine) call(fn *function, caller []*value.Value, args []operand) *value.Value {
	if !m.step() {
		return nil
	}
	in := m.unchanged(args[0].get(caller), fn.reads)
	if fn.argument && in == m.lazy.Document() {
		return m.argument(args[2].get(caller))
	}
	known := &memo{}
	data := args[1].get(caller)
	if len(args) == 2 {
		if known = &m.memo[fn.index]; known.known && known.in == in && known.data == data {
			return known.value
		}
	}
	if m.depth >= maxDepth {
		m.fail(errors.New("calls are nested too deep"))
		return nil
	}
	m.depth++
	at := len(m.stack)
	f := m.locals(fn.size)
	f[0], f[1] = in, data
	for i, a := range args[2:] {
		f[2+i] = a.get(caller)
	}
	var out *value.Value
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
	*known = memo{true, in, data, out}
	return out
}

// unchanged takes back the changes of an input that make no difference to who reads only this of it.
func (m *Machine) unchanged(in *value.Value, r *reads) *value.Value {
	for in != nil {
		if _, ok := in.Source().(*changed); !ok {
			break
		}
		c := &m.changes[in.Place()]
		if r.depends(c.key) {
			break
		}
		in = c.of
	}
	return in
}

// argument is get_tracee_argument.
func (m *Machine) argument(name *value.Value) *value.Value {
	s, ok := name.Text()
	if !ok {
		return nil // no argument has such a name
	}
	v, err := m.lazy.Arg(s)
	if err != nil {
		m.fail(fmt.Errorf("%w: %w", errInner, err))
		return nil
	}
	return v
}

// now sets the time that built-in functions see, once an evaluation.
func (m *Machine) now() {
	if m.context.Time == nil {
		m.context.Time = ast.NumberTerm(json.Number(strconv.FormatInt(time.Now().UnixNano(), 10)))
	}
}

// builtin calls a built-in function. An error in it is an undefined value, as in OPA's evaluator.
func (m *Machine) builtin(b *builtin, args []*value.Value) (*value.Value, ctrl) {
	if !m.step() {
		return nil, failed
	}
	if b.fast != nil {
		if out, ok := b.fast(m, args); ok {
			return out, next
		}
	}
	m.now()
	terms := make([]*ast.Term, len(args)) // the function may keep it
	for i, a := range args {
		terms[i] = a.Term()
	}
	var out *ast.Term
	var all []*ast.Term
	err := b.call(m.context, terms, func(t *ast.Term) error {
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
	if out == nil {
		return nil, next
	}
	return m.arena.Of(out), next
}
