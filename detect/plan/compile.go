package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tocsin-io/tocsin/detect/value"
)

// ctrl says where evaluation goes on: at the next statement, or n blocks further out.
type ctrl int

const (
	next     ctrl = 0
	leave    ctrl = 1 // the current block: the statement is undefined
	returned ctrl = -1
	failed   ctrl = -2
)

// op is a compiled statement. f holds the function's locals; nil is undefined.
type op func(m *Machine, f []*value.Value) ctrl

type block []op

func (b block) run(m *Machine, f []*value.Value) ctrl {
	for _, o := range b {
		if c := o(m, f); c != next {
			return c
		}
	}
	return next
}

// function is a compiled function or rule.
type function struct {
	index    int
	params   []int
	size     int // locals
	blocks   []block
	argument bool // it is get_tracee_argument
}

type builtin struct {
	call     topdown.BuiltinFunc
	relation bool
	void     bool
	fast     native // if there is one
}

// compiler compiles one policy.
type compiler struct {
	policy   *ir.Policy
	strings  []*value.Value
	funcs    map[string]*function
	builtins map[string]*builtin

	// of the function at hand
	locals map[ir.Local]int
}

// Compile compiles the rule at path (data.a.b is {"a", "b"}). data is the base document. argument: the policy's
// data.tracee.helpers.get_tracee_argument is the built-in one. A statement that can't be compiled is an error: the rule
// is then left to OPA's evaluator.
func Compile(policy *ir.Policy, path []string, data *value.Value, argument bool) (*Plan, error) {
	c := &compiler{policy: policy, funcs: map[string]*function{}, builtins: map[string]*builtin{}}
	for _, s := range policy.Static.Strings {
		c.strings = append(c.strings, constant(ast.StringTerm(s.Value)))
	}
	for _, b := range policy.Static.BuiltinFuncs {
		call := topdown.GetBuiltin(b.Name)
		if call == nil {
			return nil, fmt.Errorf("built-in function %s has no implementation", b.Name)
		}
		decl := ast.BuiltinMap[b.Name]
		c.builtins[b.Name] = &builtin{call: call, relation: decl != nil && decl.Relation, void: b.Decl.Result() == nil, fast: natives[b.Name]}
	}
	var entry *function
	for i, fn := range policy.Funcs.Funcs {
		f := &function{index: i}
		c.funcs[fn.Name] = f
		if len(fn.Path) > 1 {
			f.argument = argument && slices.Equal(fn.Path[1:], []string{"tracee", "helpers", "get_tracee_argument"})
			if slices.Equal(fn.Path[1:], path) {
				entry = f
			}
		}
	}
	if entry == nil {
		return nil, fmt.Errorf("the plan has no function %s", strings.Join(path, "."))
	}
	for _, fn := range policy.Funcs.Funcs {
		if err := c.function(fn); err != nil {
			return nil, fmt.Errorf("plan of %s: %w", fn.Name, err)
		}
	}
	return &Plan{entry: entry, data: data, funcs: len(policy.Funcs.Funcs)}, nil
}

func (c *compiler) function(fn *ir.Func) error {
	c.locals = map[ir.Local]int{}
	f := c.funcs[fn.Name]
	for _, p := range fn.Params {
		f.params = append(f.params, c.local(p))
	}
	var err error
	f.blocks, err = c.blocks(fn.Blocks)
	f.size = len(c.locals)
	return err
}

// local numbers the locals of a function: OPA's planner numbers them over the whole policy.
func (c *compiler) local(l ir.Local) int {
	i, ok := c.locals[l]
	if !ok {
		i = len(c.locals)
		c.locals[l] = i
	}
	return i
}

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

func (c *compiler) operand(o ir.Operand) operand {
	switch v := o.Value.(type) {
	case ir.Local:
		return operand{local: c.local(v)}
	case ir.StringIndex:
		return operand{konst: c.strings[v]}
	case ir.Bool:
		return operand{konst: value.Truth(bool(v))}
	}
	panic(fmt.Sprintf("operand %T", o.Value))
}

func (c *compiler) blocks(list []*ir.Block) ([]block, error) {
	out := make([]block, len(list))
	for i, b := range list {
		var err error
		if out[i], err = c.block(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *compiler) block(b *ir.Block) (block, error) {
	out := make(block, 0, len(b.Stmts))
	for _, s := range b.Stmts {
		o, err := c.stmt(s)
		if err != nil {
			return nil, err
		}
		if o != nil {
			out = append(out, o)
		}
	}
	return out, nil
}

func (c *compiler) stmt(s ir.Stmt) (op, error) {
	switch s := s.(type) {
	case *ir.NopStmt:
		return nil, nil
	case *ir.ReturnLocalStmt:
		src := c.local(s.Source)
		return func(m *Machine, f []*value.Value) ctrl {
			m.result = f[src]
			return returned
		}, nil
	case *ir.BreakStmt:
		n := ctrl(s.Index) + 1
		return func(*Machine, []*value.Value) ctrl { return n }, nil
	case *ir.BlockStmt:
		return c.blockStmt(s)
	case *ir.NotStmt:
		return c.not(s)
	case *ir.ScanStmt:
		return c.scan(s)
	case *ir.WithStmt:
		return c.with(s)
	case *ir.CallStmt:
		return c.call(s)
	case *ir.DotStmt:
		return c.dot(s), nil
	case *ir.AssignVarStmt:
		src, dst := c.operand(s.Source), c.local(s.Target)
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = src.get(f); return next }, nil
	case *ir.AssignVarOnceStmt:
		src, dst := c.operand(s.Source), c.local(s.Target)
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
		}, nil
	case *ir.AssignIntStmt:
		v, dst := number(s.Value), c.local(s.Target)
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = v; return next }, nil
	case *ir.MakeNumberIntStmt:
		v, dst := number(s.Value), c.local(s.Target)
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = v; return next }, nil
	case *ir.MakeNumberRefStmt:
		v, dst := constant(ast.NumberTerm(json.Number(c.policy.Static.Strings[s.Index].Value))), c.local(s.Target)
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = v; return next }, nil
	case *ir.MakeNullStmt:
		v, dst := value.Nothing(), c.local(s.Target)
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = v; return next }, nil
	case *ir.ResetLocalStmt:
		dst := c.local(s.Target)
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = nil; return next }, nil
	case *ir.EqualStmt:
		a, b := c.operand(s.A), c.operand(s.B)
		return func(_ *Machine, f []*value.Value) ctrl { return unless(value.Equal(a.get(f), b.get(f))) }, nil
	case *ir.NotEqualStmt:
		a, b := c.operand(s.A), c.operand(s.B)
		return func(_ *Machine, f []*value.Value) ctrl {
			x, y := a.get(f), b.get(f)
			return unless(x != nil && y != nil && !value.Equal(x, y))
		}, nil
	case *ir.IsDefinedStmt:
		src := c.local(s.Source)
		return func(_ *Machine, f []*value.Value) ctrl { return unless(f[src] != nil) }, nil
	case *ir.IsUndefinedStmt:
		src := c.local(s.Source)
		return func(_ *Machine, f []*value.Value) ctrl { return unless(f[src] == nil) }, nil
	}
	return c.collection(s)
}

// collection compiles the statements on arrays, objects and sets.
func (c *compiler) collection(s ir.Stmt) (op, error) {
	switch s := s.(type) {
	case *ir.MakeArrayStmt:
		return c.empty(value.Array, s.Target), nil
	case *ir.MakeObjectStmt:
		return c.empty(value.Object, s.Target), nil
	case *ir.MakeSetStmt:
		return c.empty(value.Set, s.Target), nil
	case *ir.ArrayAppendStmt:
		v, dst := c.operand(s.Value), c.local(s.Array)
		return func(m *Machine, f []*value.Value) ctrl {
			if f[dst].Kind() != value.Array {
				return m.fail(errNotCollection)
			}
			m.arena.Push(f[dst], v.get(f))
			return next
		}, nil
	case *ir.SetAddStmt:
		v, dst := c.operand(s.Value), c.local(s.Set)
		return func(m *Machine, f []*value.Value) ctrl {
			if f[dst].Kind() != value.Set {
				return m.fail(errNotCollection)
			}
			m.arena.Add(f[dst], v.get(f))
			return next
		}, nil
	case *ir.ObjectInsertStmt:
		k, v, dst := c.operand(s.Key), c.operand(s.Value), c.local(s.Object)
		return func(m *Machine, f []*value.Value) ctrl {
			if f[dst].Kind() != value.Object {
				return m.fail(errNotCollection)
			}
			m.arena.Put(f[dst], k.get(f), v.get(f))
			return next
		}, nil
	case *ir.ObjectInsertOnceStmt:
		k, v, dst := c.operand(s.Key), c.operand(s.Value), c.local(s.Object)
		return func(m *Machine, f []*value.Value) ctrl {
			if f[dst].Kind() != value.Object {
				return m.fail(errNotCollection)
			}
			key, val := k.get(f), v.get(f)
			if old := f[dst].Get(key); old != nil && !value.Equal(old, val) {
				return m.fail(errInner)
			}
			m.arena.Put(f[dst], key, val)
			return next
		}, nil
	case *ir.ObjectMergeStmt:
		a, b, dst := c.local(s.A), c.local(s.B), c.local(s.Target)
		return func(m *Machine, f []*value.Value) ctrl {
			x, y := f[a], f[b]
			if x.Kind() != value.Object || y.Kind() != value.Object {
				return m.fail(errInner)
			}
			f[dst] = m.merge(x, y)
			return next
		}, nil
	case *ir.LenStmt:
		src, dst := c.operand(s.Source), c.local(s.Target)
		return func(m *Machine, f []*value.Value) ctrl {
			n := length(m, src.get(f))
			f[dst] = n
			return unless(n != nil)
		}, nil
	case *ir.IsArrayStmt:
		return c.is(value.Array, s.Source), nil
	case *ir.IsSetStmt:
		return c.is(value.Set, s.Source), nil
	case *ir.IsObjectStmt:
		return c.is(value.Object, s.Source), nil
	}
	return nil, fmt.Errorf("statement %T", s)
}

var errNotCollection = fmt.Errorf("plan: not a collection")

func unless(ok bool) ctrl {
	if ok {
		return next
	}
	return leave
}

// constant makes a value of the plan itself.
func constant(t *ast.Term) *value.Value { return (*value.Arena)(nil).Of(t) }

func number(v int64) *value.Value { return (*value.Arena)(nil).Int(v) }

func (c *compiler) empty(k value.Kind, target ir.Local) op {
	dst := c.local(target)
	return func(m *Machine, f []*value.Value) ctrl { f[dst] = m.arena.Empty(k); return next }
}

func (c *compiler) is(k value.Kind, source ir.Operand) op {
	src := c.operand(source)
	return func(_ *Machine, f []*value.Value) ctrl { return unless(src.get(f).Kind() == k) }
}

func (c *compiler) dot(s *ir.DotStmt) op {
	src, key, dst := c.operand(s.Source), c.operand(s.Key), c.local(s.Target)
	return func(_ *Machine, f []*value.Value) ctrl {
		v := src.get(f)
		if v == nil {
			return leave
		}
		t := v.Get(key.get(f))
		f[dst] = t
		return unless(t != nil)
	}
}

func (c *compiler) blockStmt(s *ir.BlockStmt) (op, error) {
	blocks, err := c.blocks(s.Blocks)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*value.Value) ctrl {
		for _, b := range blocks {
			if r := b.run(m, f); r < 0 {
				return r
			} else if r > leave {
				return r - 1
			}
		}
		return next
	}, nil
}

func (c *compiler) not(s *ir.NotStmt) (op, error) {
	b, err := c.block(s.Block)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*value.Value) ctrl {
		switch r := b.run(m, f); {
		case r < 0:
			return r
		case r > leave:
			return r - 1
		default:
			return unless(r == leave)
		}
	}, nil
}

func (c *compiler) scan(s *ir.ScanStmt) (op, error) {
	src, key, val := c.local(s.Source), c.local(s.Key), c.local(s.Value)
	body, err := c.block(s.Block)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*value.Value) ctrl {
		if f[src] == nil {
			return next
		}
		list := f[src].List()
		step, at := 1, func(i int) *value.Value { return list[i] }
		switch f[src].Kind() {
		case value.Array:
			at = func(i int) *value.Value { return m.arena.Int(int64(i)) }
		case value.Object:
			step = 2
		}
		for i := 0; i < len(list); i += step {
			if !m.step() {
				return failed
			}
			f[key], f[val] = at(i), list[i+step-1]
			switch r := body.run(m, f); {
			case r < 0:
				return r
			case r > leave: // out of the loop, which counts as two blocks
				return max(r-2, next)
			}
		}
		return next
	}, nil
}

func (c *compiler) with(s *ir.WithStmt) (op, error) {
	local, v := c.local(s.Local), c.operand(s.Value)
	var path []*value.Value
	for _, i := range s.Path {
		path = append(path, c.strings[i])
	}
	body, err := c.block(s.Block)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*value.Value) ctrl {
		saved, memos := f[local], m.memo
		m.memo = m.fresh(len(memos)) // what rules gave before may not hold with another input
		f[local] = m.change(saved, path, v.get(f))
		r := body.run(m, f)
		m.spare = append(m.spare, m.memo)
		f[local], m.memo = saved, memos
		if r > leave {
			return r - 1
		}
		return r
	}, nil
}

func (c *compiler) call(s *ir.CallStmt) (op, error) {
	args := make([]operand, len(s.Args))
	for i, a := range s.Args {
		args[i] = c.operand(a)
	}
	dst := c.local(s.Result)
	if fn := c.funcs[s.Func]; fn != nil {
		if len(args) > len(Machine{}.operand) {
			return nil, fmt.Errorf("a function of %d parameters", len(args))
		}
		return func(m *Machine, f []*value.Value) ctrl {
			var buf [len(Machine{}.operand)]*value.Value
			for i, a := range args {
				buf[i] = a.get(f)
			}
			t := m.call(fn, buf[:len(args)]...)
			if m.err != nil {
				return failed
			}
			f[dst] = t
			return unless(t != nil)
		}, nil
	}
	b := c.builtins[s.Func]
	if b == nil {
		return nil, fmt.Errorf("a call of %s", s.Func)
	}
	if len(args) > len(Machine{}.operand) {
		return nil, fmt.Errorf("a call of %s with %d operands", s.Func, len(args))
	}
	return func(m *Machine, f []*value.Value) ctrl {
		buf := m.operand[:len(args)]
		for i, a := range args {
			if buf[i] = a.get(f); buf[i] == nil {
				return leave
			}
		}
		t, r := m.builtin(b, buf)
		if r != next {
			return r
		}
		if b.void {
			return next
		}
		f[dst] = t
		return unless(t != nil)
	}, nil
}
