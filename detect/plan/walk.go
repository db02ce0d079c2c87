package plan

import (
	"math"

	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/tocsin-io/tocsin/detect/value"
)

// walk is a loop over what walk gives, a list of a path and of what is there, as it comes to it. Most rules take the list apart: it is only
// made, and the path, when one asks for them.
type walk struct {
	path, value int // locals
	body        block
}

func (c *compiler) walk(s *ir.ScanStmt) (op, error) {
	src := c.local(s.Source)
	c.use(operand{local: src})
	key, pair := c.target(s.Key), c.target(s.Value)
	w := &walk{path: c.fresh(), value: c.fresh()}
	c.known.walked[key] = true // there is no key
	c.known.pairs[pair] = [2]int{w.path, w.value}
	var err error
	w.body, err = c.nested(true, s.Block, late{w.path, func(m *Machine, f []*value.Value) ctrl {
		f[w.path] = m.arena.List(m.path...)
		return next
	}}, late{pair, func(m *Machine, f []*value.Value) ctrl {
		f[pair] = m.arena.List(m.arena.List(m.path...), f[w.value])
		return next
	}})
	c.known.forget(key)
	c.known.forget(pair)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*value.Value) ctrl {
		outer := m.path
		r := m.walk(w, f, outer[len(outer):], f[src]) // behind the path of a walk around it
		m.path = outer
		if r > leave { // out of the loop, which counts as two blocks
			return max(r-2, next)
		}
		return r
	}, nil
}

// walk runs the body for v, which is at the path, and what is in it.
func (m *Machine) walk(w *walk, f, path []*value.Value, v *value.Value) ctrl {
	if !m.step() {
		return failed
	}
	m.path, f[w.value] = path, v
	if r := w.body.run(m, f); r < 0 || r > leave {
		return r
	}
	k := v.Kind()
	if k < value.Array {
		return next
	}
	list := v.List()
	for i, e := range list {
		var key *value.Value
		switch {
		case k == value.Array:
			key = m.arena.Int(int64(i))
		case k == value.Set:
			key = e
		case i%2 == 0:
			continue
		default:
			key = list[i-1]
		}
		if r := m.walk(w, f, append(path, key), e); r != next {
			return r
		}
	}
	return next
}

// completeLoop does what OPA's planner does not: a loop in `not walk(x, y)` that comes to its end has found something only if its body ever
// did. A local tells that.
func (c *compiler) completeLoop(s *ir.NotStmt) {
	b, loop := s.Block, false
	for len(b.Stmts) > 0 {
		switch last := b.Stmts[len(b.Stmts)-1].(type) {
		case *ir.ScanStmt:
			b, loop = last.Block, true
			continue
		case *ir.WithStmt:
			b = last.Block
			continue
		}
		break
	}
	if loop {
		found := ir.Local(math.MinInt32 + len(c.loops))
		b.Stmts = append(b.Stmts, &ir.AssignVarStmt{Source: ir.Operand{Value: ir.Bool(true)}, Target: found})
		c.loops[s] = found
	}
}
