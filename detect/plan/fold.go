package plan

import (
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/tocsin-io/tocsin/detect/value"
)

// operand is a local or a constant.
type operand struct {
	local int
	konst *value.Value
}

func (o operand) get(f []*value.Value) *value.Value {
	if o.konst != nil {
		return o.konst
	}
	return f[o.local]
}

// fresh returns a local that the plan does not have.
func (c *compiler) fresh() int { return c.local(ir.Local(-1 - len(c.locals))) }

// target is for a statement that writes the local.
func (c *compiler) target(l ir.Local) int {
	i := c.local(l)
	c.known.forget(i)
	return i
}

// needed reports whether somebody reads the local.
func (c *compiler) needed(local int) bool { return c.before == nil || c.before[local] }

func (c *compiler) use(o operand) operand {
	if o.konst == nil {
		c.used[o.local] = true
	}
	return o
}

// resolve says where an operand is, without reading it.
func (c *compiler) resolve(o ir.Operand) operand {
	switch v := o.Value.(type) {
	case ir.Local:
		i := c.local(v)
		if c.known.walked[i] {
			c.err = errors.New("what walk gives is used in an unusual way")
		}
		if same, ok := c.known.same[i]; ok {
			return same
		}
		return operand{local: i}
	case ir.StringIndex:
		return operand{konst: c.strings[v]}
	case ir.Bool:
		return operand{konst: value.Truth(bool(v))}
	}
	panic(fmt.Sprintf("operand %T", o.Value))
}

func (c *compiler) operand(o ir.Operand) operand { return c.use(c.resolve(o)) }

func (c *compiler) read(l ir.Local) operand { return c.operand(ir.Operand{Value: l}) }

// facts are what is known of the locals of a function where a statement stands, so that what is known need not be computed: constants,
// copies, the two elements of what walk gives. OPA's planner writes each as a statement of its own.
type facts struct {
	same   map[int]operand // what the local has is there as well
	pairs  map[int][2]int  // the local has a list of what these two have
	walked map[int]bool    // the local has what walk is given, not what it gives
	maybe  map[int]bool    // the local may be defined
}

func noFacts() facts {
	return facts{map[int]operand{}, map[int][2]int{}, map[int]bool{}, map[int]bool{}}
}

func (k facts) clone() facts {
	return facts{maps.Clone(k.same), maps.Clone(k.pairs), maps.Clone(k.walked), maps.Clone(k.maybe)}
}

// forget is for a local that is written.
func (k facts) forget(local int) {
	delete(k.same, local)
	delete(k.pairs, local)
	delete(k.walked, local)
	maps.DeleteFunc(k.same, func(_ int, o operand) bool { return o.konst == nil && o.local == local })
	k.maybe[local] = true
}

// nested compiles what may be left before its end: what is known in it is not known behind it. again: it may run more than once.
func (c *compiler) nested(again bool, b *ir.Block, late ...late) (block, error) {
	var written []int
	each(b, func(s ir.Stmt) {
		for _, l := range writtenBy(s) {
			written = append(written, c.local(l))
		}
	})
	forget := func() {
		for _, l := range written {
			c.known.forget(l)
		}
	}
	if again {
		forget()
	}
	before := c.known.clone()
	out, err := c.block(b, late...)
	c.known = before
	forget()
	return out, err
}

// late is a local that is made when it is known to be used: before the first statement that does.
type late struct {
	local int
	make  op
}

// assign lets a local have what o has. Where nobody asks for it as it is, nothing is done.
func (c *compiler) assign(target ir.Local, o operand) op {
	dst := c.target(target)
	if o.konst != nil || o.local != dst {
		c.known.same[dst] = o
	}
	if !c.needed(dst) {
		return nil
	}
	c.use(o)
	if o.konst != nil {
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = o.konst; return next }
	}
	return func(_ *Machine, f []*value.Value) ctrl { f[dst] = f[o.local]; return next }
}

// assignOnce is an assignment that nothing else may contradict.
func (c *compiler) assignOnce(s *ir.AssignVarOnceStmt) op {
	src := c.resolve(s.Source)
	if !c.known.maybe[c.local(s.Target)] {
		return c.assign(s.Target, src)
	}
	dst := c.target(s.Target)
	c.use(src)
	c.use(operand{local: dst})
	return func(m *Machine, f []*value.Value) ctrl {
		v := src.get(f)
		if old := f[dst]; old != nil && v != nil && !value.Equal(old, v) {
			if m.depth > 1 {
				return m.fail(errInner)
			}
			return m.fail(ErrConflict)
		}
		f[dst] = v
		return next
	}
}

// pair returns the locals of the elements of a list, if they are known.
func (c *compiler) pair(o ir.Operand) ([2]int, bool) {
	l, ok := o.Value.(ir.Local)
	if !ok {
		return [2]int{}, false
	}
	p, ok := c.known.pairs[c.local(l)]
	return p, ok
}

// each calls f for the statements in a block, and in those.
func each(b *ir.Block, f func(ir.Stmt)) {
	if err := ir.Walk(visitor(f), b); err != nil { // f gives none
		panic(err)
	}
}

type visitor func(ir.Stmt)

func (visitor) Before(any) {}
func (visitor) After(any)  {}

func (v visitor) Visit(x any) (ir.Visitor, error) {
	if s, ok := x.(ir.Stmt); ok {
		v(s)
	}
	return v, nil
}

// readBy are the locals that a statement reads, without those in it.
func readBy(s ir.Stmt) (out []ir.Local) {
	operand := func(o ir.Operand) {
		if l, ok := o.Value.(ir.Local); ok {
			out = append(out, l)
		}
	}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		switch x := v.Field(i).Interface().(type) {
		case ir.Local:
			if !writes(s, v.Type().Field(i).Name) {
				out = append(out, x)
			}
		case []ir.Local:
			out = append(out, x...)
		case ir.Operand:
			operand(x)
		case []ir.Operand:
			for _, o := range x {
				operand(o)
			}
		}
	}
	return out
}

// writtenBy are the locals that a statement writes, without those in it.
func writtenBy(s ir.Stmt) (out []ir.Local) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if l, ok := v.Field(i).Interface().(ir.Local); ok && writes(s, v.Type().Field(i).Name) {
			out = append(out, l)
		}
	}
	return out
}

// writes reports whether a statement writes the local in a field.
func writes(s ir.Stmt, field string) bool {
	switch s.(type) {
	case *ir.ScanStmt:
		return field == "Key" || field == "Value"
	case *ir.WithStmt:
		return field == "Local"
	}
	return field == "Target" || field == "Result"
}
