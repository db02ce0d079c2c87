package plan

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/tocsin-io/tocsin/detect/value"
)

// reads are the members of the input that a function may ask for, itself or in what it calls. What else a `with` changes makes no
// difference to it.
type reads struct {
	all  bool
	keys []*value.Value
}

// depends reports whether it matters what a member is.
func (r *reads) depends(key *value.Value) bool {
	return r.all || slices.ContainsFunc(r.keys, func(k *value.Value) bool { return value.Equal(k, key) })
}

func (r *reads) add(o *reads) {
	r.all = r.all || o.all
	for _, k := range o.keys {
		if !r.depends(k) {
			r.keys = append(r.keys, k)
		}
	}
}

// inputReads finds what a function reads. Its first parameter is the input; Rego has no recursion.
func (c *compiler) inputReads(fn *ir.Func) *reads {
	f := c.funcs[fn.Name]
	if f.reads != nil {
		return f.reads
	}
	f.reads = &reads{all: true}
	out := &reads{}
	inputs := map[ir.Local]bool{fn.Params[0]: true} // locals that hold it, changed or not
	for _, b := range fn.Blocks {
		each(b, func(s ir.Stmt) {
			given := readBy(s)
			switch s := s.(type) {
			case *ir.IsDefinedStmt:
				return // so it is whatever its members are
			case *ir.AssignVarStmt:
				if l, ok := s.Source.Value.(ir.Local); ok && inputs[l] {
					inputs[s.Target] = true
				}
				return
			case *ir.DotStmt:
				l, ok := s.Source.Value.(ir.Local)
				if k, constant := s.Key.Value.(ir.StringIndex); ok && inputs[l] && constant {
					out.add(&reads{keys: []*value.Value{c.strings[k]}})
					return
				}
			case *ir.WithStmt:
				l, ok := s.Value.Value.(ir.Local)
				if ok && inputs[l] && (len(s.Path) > 0 || !inputs[s.Local]) {
					out.all = true
				}
				return
			case *ir.CallStmt:
				if l, ok := s.Args[0].Value.(ir.Local); ok && inputs[l] && c.declared[s.Func] != nil {
					out.add(c.inputReads(c.declared[s.Func]))
					given = given[1:]
				}
				if decl := ast.BuiltinMap[s.Func]; decl != nil && decl.Nondeterministic { // another call counts, or gives something else
					out.all = true
				}
			}
			out.all = out.all || slices.ContainsFunc(given, func(l ir.Local) bool { return inputs[l] })
		})
	}
	f.reads = out
	return out
}

// member finds out whether a rule gives no more than a member of the input: user := input.userId. Such a rule need not be run.
func (c *compiler) member(fn *ir.Func) ([]*value.Value, bool) {
	at := map[ir.Local][]*value.Value{fn.Params[0]: {}} // what is where in the input
	var out []*value.Value
	ok := len(fn.Params) == 2
	for i, b := range fn.Blocks {
		for _, s := range b.Stmts {
			from, to := ir.Operand{}, ir.Local(0)
			switch s := s.(type) {
			case *ir.ResetLocalStmt:
				ok = ok && i == 0 && at[s.Target] == nil
				continue
			case *ir.IsDefinedStmt:
				from, to = ir.Operand{Value: s.Source}, s.Source
			case *ir.AssignVarStmt:
				from, to = s.Source, s.Target
			case *ir.AssignVarOnceStmt:
				from, to = s.Source, s.Target
			case *ir.ReturnLocalStmt:
				from, to = ir.Operand{Value: s.Source}, s.Source
			case *ir.DotStmt:
				from, to = s.Source, s.Target
			default:
				return nil, false
			}
			l, local := from.Value.(ir.Local)
			path := at[l]
			ok = ok && local && path != nil && (to == l || at[to] == nil)
			if s, is := s.(*ir.DotStmt); is {
				k, constant := s.Key.Value.(ir.StringIndex)
				if ok = ok && constant; ok {
					path = append(slices.Clip(path), c.strings[k])
				}
			}
			if !ok {
				return nil, false
			}
			at[to], out = path, path
		}
	}
	return out, ok
}
