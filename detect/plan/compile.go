package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tocsin-io/tocsin/detect/input"
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

// out is what a block's end means for the block around it.
func out(c ctrl) ctrl {
	if c > leave {
		return c - 1
	}
	return c
}

// function is a compiled function or rule.
type function struct {
	index    int
	reads    *reads
	size     int // locals, the parameters first
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
	declared map[string]*ir.Func
	funcs    map[string]*function
	builtins map[string]*builtin
	loops    map[*ir.NotStmt]ir.Local // what tells whether the loop in it has found something: see completeLoop

	// of the function at hand
	locals map[ir.Local]int
	known  facts
	used   map[int]bool // locals that some statement reads
	before map[int]bool // … when it was compiled before
	err    error
}

// Compile compiles the rule at path (data.a.b is {"a", "b"}). data is the base document. argument: the policy's
// data.tracee.helpers.get_tracee_argument is the built-in one. A statement that can't be compiled is an error: the rule
// is then left to OPA's evaluator.
func Compile(policy *ir.Policy, path []string, data *value.Value, argument bool) (*Plan, error) {
	c := &compiler{policy: policy, declared: map[string]*ir.Func{}, funcs: map[string]*function{}, builtins: map[string]*builtin{}, loops: map[*ir.NotStmt]ir.Local{}}
	for _, s := range policy.Static.Strings {
		v := input.Key(s.Value)
		if v == nil {
			v = constant(ast.StringTerm(s.Value))
		}
		c.strings = append(c.strings, v)
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
		c.funcs[fn.Name], c.declared[fn.Name] = f, fn
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

// function compiles a function three times: one time tells what is not needed by the next.
func (c *compiler) function(fn *ir.Func) error {
	f := c.funcs[fn.Name]
	f.reads = c.inputReads(fn)
	for _, b := range fn.Blocks {
		each(b, func(s ir.Stmt) {
			if n, ok := s.(*ir.NotStmt); ok {
				c.completeLoop(n)
			}
		})
	}
	c.used = nil
	for range 3 {
		c.before, c.used = c.used, map[int]bool{}
		c.locals, c.err = map[ir.Local]int{}, nil
		c.known = noFacts()
		for i, p := range fn.Params {
			if c.target(p) != i {
				return errors.New("a parameter twice")
			}
		}
		var err error
		if f.blocks, err = c.blocks(fn.Blocks); err != nil {
			return err
		}
		if c.err != nil {
			return c.err
		}
	}
	f.size = len(c.locals)
	return nil
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

func (c *compiler) blocks(list []*ir.Block) ([]block, error) {
	out := make([]block, len(list))
	for i, b := range list {
		var err error
		if out[i], err = c.nested(false, b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *compiler) block(b *ir.Block, late ...late) (block, error) {
	out := make(block, 0, len(b.Stmts))
	for _, s := range b.Stmts {
		o, err := c.stmt(s)
		if err != nil {
			return nil, err
		}
		for i, l := range late {
			if l.make != nil && c.used[l.local] {
				out = append(out, l.make)
				late[i].make = nil
			}
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
		src := c.read(s.Source)
		return func(m *Machine, f []*value.Value) ctrl {
			m.result = src.get(f)
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
		return c.assign(s.Target, c.resolve(s.Source)), nil
	case *ir.AssignVarOnceStmt:
		return c.assignOnce(s), nil
	case *ir.AssignIntStmt:
		return c.assign(s.Target, operand{konst: number(s.Value)}), nil
	case *ir.MakeNumberIntStmt:
		return c.assign(s.Target, operand{konst: number(s.Value)}), nil
	case *ir.MakeNumberRefStmt:
		return c.assign(s.Target, operand{konst: constant(ast.NumberTerm(json.Number(c.policy.Static.Strings[s.Index].Value)))}), nil
	case *ir.MakeNullStmt:
		return c.assign(s.Target, operand{konst: value.Nothing()}), nil
	case *ir.ResetLocalStmt:
		was := c.known.maybe[c.local(s.Target)]
		dst := c.target(s.Target)
		c.known.maybe[dst] = false
		if !was || !c.needed(dst) {
			return nil, nil
		}
		return func(_ *Machine, f []*value.Value) ctrl { f[dst] = nil; return next }, nil
	case *ir.EqualStmt:
		a, b := c.operand(s.A), c.operand(s.B)
		if a.konst != nil && b.konst != nil && value.Equal(a.konst, b.konst) {
			return nil, nil
		}
		return func(_ *Machine, f []*value.Value) ctrl { return unless(value.Equal(a.get(f), b.get(f))) }, nil
	case *ir.NotEqualStmt:
		a, b := c.operand(s.A), c.operand(s.B)
		return func(_ *Machine, f []*value.Value) ctrl {
			x, y := a.get(f), b.get(f)
			return unless(x != nil && y != nil && !value.Equal(x, y))
		}, nil
	case *ir.IsDefinedStmt:
		src := c.read(s.Source)
		return func(_ *Machine, f []*value.Value) ctrl { return unless(src.get(f) != nil) }, nil
	case *ir.IsUndefinedStmt:
		src := c.read(s.Source)
		return func(_ *Machine, f []*value.Value) ctrl { return unless(src.get(f) == nil) }, nil
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
		v, dst := c.operand(s.Value), c.read(s.Array)
		return func(m *Machine, f []*value.Value) ctrl {
			to := dst.get(f)
			if to.Kind() != value.Array {
				return m.fail(errNotCollection)
			}
			m.arena.Push(to, v.get(f))
			return next
		}, nil
	case *ir.SetAddStmt:
		v, dst := c.operand(s.Value), c.read(s.Set)
		return func(m *Machine, f []*value.Value) ctrl {
			to := dst.get(f)
			if to.Kind() != value.Set {
				return m.fail(errNotCollection)
			}
			m.arena.Add(to, v.get(f))
			return next
		}, nil
	case *ir.ObjectInsertStmt:
		k, v, dst := c.operand(s.Key), c.operand(s.Value), c.read(s.Object)
		return func(m *Machine, f []*value.Value) ctrl {
			to := dst.get(f)
			if to.Kind() != value.Object {
				return m.fail(errNotCollection)
			}
			m.arena.Put(to, k.get(f), v.get(f))
			return next
		}, nil
	case *ir.ObjectInsertOnceStmt:
		k, v, dst := c.operand(s.Key), c.operand(s.Value), c.read(s.Object)
		return func(m *Machine, f []*value.Value) ctrl {
			to := dst.get(f)
			if to.Kind() != value.Object {
				return m.fail(errNotCollection)
			}
			key, val := k.get(f), v.get(f)
			if old := to.Get(key); old != nil && !value.Equal(old, val) {
				return m.fail(errInner)
			}
			m.arena.Put(to, key, val)
			return next
		}, nil
	case *ir.ObjectMergeStmt:
		a, b, dst := c.read(s.A), c.read(s.B), c.target(s.Target)
		return func(m *Machine, f []*value.Value) ctrl {
			x, y := a.get(f), b.get(f)
			if x.Kind() != value.Object || y.Kind() != value.Object {
				return m.fail(errInner)
			}
			f[dst] = m.merge(x, y)
			return next
		}, nil
	case *ir.LenStmt:
		if _, ok := c.pair(s.Source); ok {
			return c.assign(s.Target, operand{konst: number(2)}), nil
		}
		src, dst := c.operand(s.Source), c.target(s.Target)
		return func(m *Machine, f []*value.Value) ctrl {
			n := length(m, src.get(f))
			f[dst] = n
			return unless(n != nil)
		}, nil
	case *ir.IsArrayStmt:
		if _, ok := c.pair(s.Source); ok {
			return nil, nil
		}
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
	dst := c.target(target)
	return func(m *Machine, f []*value.Value) ctrl { f[dst] = m.arena.Empty(k); return next }
}

func (c *compiler) is(k value.Kind, source ir.Operand) op {
	src := c.operand(source)
	return func(_ *Machine, f []*value.Value) ctrl { return unless(src.get(f).Kind() == k) }
}

func (c *compiler) dot(s *ir.DotStmt) op {
	key := c.operand(s.Key)
	if pair, ok := c.pair(s.Source); ok && key.konst != nil {
		if i, ok := key.konst.Int(); ok && (i == 0 || i == 1) {
			return c.assign(s.Target, operand{local: pair[i]})
		}
	}
	src, dst := c.operand(s.Source), c.target(s.Target)
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
	if len(blocks) == 1 {
		b := blocks[0]
		return func(m *Machine, f []*value.Value) ctrl { // what ends the one block ends the statement
			r := b.run(m, f)
			if r > next {
				r--
			}
			return r
		}, nil
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
	if found, ok := c.loops[s]; ok {
		b, err := c.block(&ir.Block{Stmts: []ir.Stmt{
			&ir.ResetLocalStmt{Target: found}, &ir.BlockStmt{Blocks: []*ir.Block{s.Block}}, &ir.IsUndefinedStmt{Source: found},
		}})
		return b.run, err
	}
	b, err := c.nested(false, s.Block)
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
	if c.known.walked[c.local(s.Source)] {
		return c.walk(s)
	}
	src, key, val := c.read(s.Source), c.target(s.Key), c.target(s.Value)
	keyed := c.needed(key)
	body, err := c.nested(true, s.Block)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*value.Value) ctrl {
		of := src.get(f)
		if of == nil {
			return next
		}
		list, kind, step := of.List(), of.Kind(), 1
		if kind == value.Object {
			step = 2
		}
		for i := 0; i < len(list); i += step {
			if !m.step() {
				return failed
			}
			f[val] = list[i+step-1]
			if !keyed {
			} else if kind == value.Array {
				f[key] = m.arena.Int(int64(i))
			} else {
				f[key] = list[i]
			}
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
	v := c.operand(s.Value)
	local := c.target(s.Local)
	c.use(operand{local: local})
	var path []*value.Value
	for _, i := range s.Path {
		path = append(path, c.strings[i])
	}
	body, err := c.nested(false, s.Block)
	if err != nil {
		return nil, err
	}
	c.known.forget(local)
	if len(path) == 0 { // most of these only take back a change
		return func(m *Machine, f []*value.Value) ctrl {
			saved := f[local]
			f[local] = v.get(f)
			r := body.run(m, f)
			f[local] = saved
			return out(r)
		}, nil
	}
	return func(m *Machine, f []*value.Value) ctrl {
		saved := f[local]
		f[local] = m.change(saved, path, v.get(f))
		r := body.run(m, f)
		f[local] = saved
		return out(r)
	}, nil
}

func (c *compiler) call(s *ir.CallStmt) (op, error) {
	args := make([]operand, len(s.Args))
	for i, a := range s.Args {
		args[i] = c.operand(a)
	}
	dst := c.target(s.Result)
	if fn := c.funcs[s.Func]; fn != nil {
		if n := len(c.declared[s.Func].Params); n != len(args) {
			return nil, fmt.Errorf("a call of %s with %d operands, not %d", s.Func, len(args), n)
		}
		if path, ok := c.member(c.declared[s.Func]); ok {
			return func(_ *Machine, f []*value.Value) ctrl {
				v := args[0].get(f)
				for _, key := range path {
					if v == nil {
						break
					}
					v = v.Get(key)
				}
				f[dst] = v
				return unless(v != nil)
			}, nil
		}
		return func(m *Machine, f []*value.Value) ctrl {
			t := m.call(fn, f, args)
			if m.err != nil {
				return failed
			}
			f[dst] = t
			return unless(t != nil)
		}, nil
	}
	if s.Func == ast.WalkBuiltin.Name {
		c.known.walked[dst] = true
		return func(_ *Machine, f []*value.Value) ctrl {
			f[dst] = args[0].get(f)
			return unless(f[dst] != nil)
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
