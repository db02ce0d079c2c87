package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
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
type op func(m *Machine, f []*ast.Term) ctrl

type block []op

func (b block) run(m *Machine, f []*ast.Term) ctrl {
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
	// fast answers for operands of the usual types; it reports false for others.
	fast func([]*ast.Term) (*ast.Term, bool)
}

// compiler compiles one policy.
type compiler struct {
	policy   *ir.Policy
	strings  []*ast.Term
	funcs    map[string]*function
	builtins map[string]*builtin

	// of the function at hand
	locals map[ir.Local]int
}

// Compile compiles the rule at path (data.a.b is {"a", "b"}). data is the base document. argument: the policy's
// data.tracee.helpers.get_tracee_argument is the built-in one. A statement that can't be compiled is an error: the rule
// is then left to OPA's evaluator.
func Compile(policy *ir.Policy, path []string, data ast.Value, argument bool) (*Plan, error) {
	c := &compiler{policy: policy, funcs: map[string]*function{}, builtins: map[string]*builtin{}}
	for _, s := range policy.Static.Strings {
		c.strings = append(c.strings, ast.StringTerm(s.Value))
	}
	for _, b := range policy.Static.BuiltinFuncs {
		call := topdown.GetBuiltin(b.Name)
		if call == nil {
			return nil, fmt.Errorf("built-in function %s has no implementation", b.Name)
		}
		decl := ast.BuiltinMap[b.Name]
		c.builtins[b.Name] = &builtin{call: call, relation: decl != nil && decl.Relation, void: b.Decl.Result() == nil, fast: fastBuiltins[b.Name]}
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
	return &Plan{entry: entry, data: ast.NewTerm(data), funcs: len(policy.Funcs.Funcs)}, nil
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
	konst *ast.Term
}

func (o operand) get(f []*ast.Term) *ast.Term {
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
		return operand{konst: ast.InternedTerm(bool(v))}
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
		return func(m *Machine, f []*ast.Term) ctrl {
			m.result = f[src]
			return returned
		}, nil
	case *ir.BreakStmt:
		n := ctrl(s.Index) + 1
		return func(*Machine, []*ast.Term) ctrl { return n }, nil
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
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = src.get(f); return next }, nil
	case *ir.AssignVarOnceStmt:
		src, dst := c.operand(s.Source), c.local(s.Target)
		return func(m *Machine, f []*ast.Term) ctrl {
			v := src.get(f)
			if old := f[dst]; old != nil && v != nil && !m.equal(old, v) {
				return m.fail(ErrConflict)
			}
			f[dst] = v
			return next
		}, nil
	case *ir.AssignIntStmt:
		v, dst := number(s.Value), c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = v; return next }, nil
	case *ir.MakeNumberIntStmt:
		v, dst := number(s.Value), c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = v; return next }, nil
	case *ir.MakeNumberRefStmt:
		v, dst := ast.NumberTerm(json.Number(c.policy.Static.Strings[s.Index].Value)), c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = v; return next }, nil
	case *ir.MakeNullStmt:
		v, dst := ast.NullTerm(), c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = v; return next }, nil
	case *ir.ResetLocalStmt:
		dst := c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = nil; return next }, nil
	case *ir.EqualStmt:
		a, b := c.operand(s.A), c.operand(s.B)
		return func(m *Machine, f []*ast.Term) ctrl { return unless(m.equal(a.get(f), b.get(f))) }, nil
	case *ir.NotEqualStmt:
		a, b := c.operand(s.A), c.operand(s.B)
		return func(m *Machine, f []*ast.Term) ctrl {
			x, y := a.get(f), b.get(f)
			return unless(x != nil && y != nil && !m.equal(x, y))
		}, nil
	case *ir.IsDefinedStmt:
		src := c.local(s.Source)
		return func(_ *Machine, f []*ast.Term) ctrl { return unless(f[src] != nil) }, nil
	case *ir.IsUndefinedStmt:
		src := c.local(s.Source)
		return func(_ *Machine, f []*ast.Term) ctrl { return unless(f[src] == nil) }, nil
	}
	return c.collection(s)
}

// collection compiles the statements on arrays, objects and sets.
func (c *compiler) collection(s ir.Stmt) (op, error) {
	switch s := s.(type) {
	case *ir.MakeArrayStmt:
		dst := c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = ast.ArrayTerm(); return next }, nil
	case *ir.MakeObjectStmt:
		dst := c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = ast.ObjectTerm(); return next }, nil
	case *ir.MakeSetStmt:
		dst := c.local(s.Target)
		return func(_ *Machine, f []*ast.Term) ctrl { f[dst] = ast.SetTerm(); return next }, nil
	case *ir.ArrayAppendStmt:
		v, dst := c.operand(s.Value), c.local(s.Array)
		return func(m *Machine, f []*ast.Term) ctrl {
			a, ok := f[dst].Value.(*ast.Array)
			if !ok {
				return m.fail(errNotCollection)
			}
			f[dst] = ast.NewTerm(a.Append(m.force(v.get(f))))
			return next
		}, nil
	case *ir.SetAddStmt:
		v, dst := c.operand(s.Value), c.local(s.Set)
		return func(m *Machine, f []*ast.Term) ctrl {
			a, ok := f[dst].Value.(ast.Set)
			if !ok {
				return m.fail(errNotCollection)
			}
			a.Add(m.force(v.get(f)))
			return next
		}, nil
	case *ir.ObjectInsertStmt:
		k, v, dst := c.operand(s.Key), c.operand(s.Value), c.local(s.Object)
		return func(m *Machine, f []*ast.Term) ctrl {
			o, ok := f[dst].Value.(ast.Object)
			if !ok {
				return m.fail(errNotCollection)
			}
			o.Insert(m.force(k.get(f)), m.force(v.get(f)))
			return next
		}, nil
	case *ir.ObjectInsertOnceStmt:
		k, v, dst := c.operand(s.Key), c.operand(s.Value), c.local(s.Object)
		return func(m *Machine, f []*ast.Term) ctrl {
			o, ok := f[dst].Value.(ast.Object)
			if !ok {
				return m.fail(errNotCollection)
			}
			key, val := m.force(k.get(f)), m.force(v.get(f))
			if old := o.Get(key); old != nil && !m.equal(old, val) {
				return m.fail(ErrConflict)
			}
			o.Insert(key, val)
			return next
		}, nil
	case *ir.ObjectMergeStmt:
		a, b, dst := c.local(s.A), c.local(s.B), c.local(s.Target)
		return func(m *Machine, f []*ast.Term) ctrl {
			x, ok1 := m.force(f[a]).Value.(ast.Object)
			y, ok2 := m.force(f[b]).Value.(ast.Object)
			if !ok1 || !ok2 {
				return m.fail(ErrConflict)
			}
			f[dst] = ast.NewTerm(merge(x, y))
			return next
		}, nil
	case *ir.LenStmt:
		src, dst := c.operand(s.Source), c.local(s.Target)
		return func(m *Machine, f []*ast.Term) ctrl {
			n, ok := length(m.force(src.get(f)).Value)
			if !ok {
				return leave
			}
			f[dst] = ast.InternedTerm(n)
			return next
		}, nil
	case *ir.IsArrayStmt:
		src := c.operand(s.Source)
		return func(m *Machine, f []*ast.Term) ctrl {
			t := src.get(f)
			_, ok := t.Value.(*ast.Array)
			return unless(ok || t == m.args)
		}, nil
	case *ir.IsSetStmt:
		src := c.operand(s.Source)
		return func(_ *Machine, f []*ast.Term) ctrl { _, ok := src.get(f).Value.(ast.Set); return unless(ok) }, nil
	case *ir.IsObjectStmt:
		src := c.operand(s.Source)
		return func(m *Machine, f []*ast.Term) ctrl {
			t := src.get(f)
			_, ok := t.Value.(ast.Object)
			return unless(ok || m.isInput(t) || m.isArg(t))
		}, nil
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

func number(v int64) *ast.Term { return ast.NumberTerm(json.Number(fmt.Sprint(v))) }

// merge unites two objects; where both have an object, those; else a's value wins, as in OPA.
func merge(a, b ast.Object) ast.Object {
	out, _ := a.MergeWith(b, func(x, y *ast.Term) (*ast.Term, bool) {
		p, ok1 := x.Value.(ast.Object)
		q, ok2 := y.Value.(ast.Object)
		if ok1 && ok2 {
			return ast.NewTerm(merge(p, q)), false
		}
		return x, false
	})
	return out
}

func length(v ast.Value) (int, bool) {
	switch x := v.(type) {
	case *ast.Array:
		return x.Len(), true
	case ast.Object:
		return x.Len(), true
	case ast.Set:
		return x.Len(), true
	case ast.String:
		return len([]rune(string(x))), true
	}
	return 0, false
}

func (c *compiler) dot(s *ir.DotStmt) op {
	src, key, dst := c.operand(s.Source), c.operand(s.Key), c.local(s.Target)
	return func(m *Machine, f []*ast.Term) ctrl {
		v := src.get(f)
		if v == nil {
			return leave
		}
		t := m.get(v, key.get(f))
		f[dst] = t
		return unless(t != nil)
	}
}

func (c *compiler) blockStmt(s *ir.BlockStmt) (op, error) {
	blocks, err := c.blocks(s.Blocks)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*ast.Term) ctrl {
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
	return func(m *Machine, f []*ast.Term) ctrl {
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
	return func(m *Machine, f []*ast.Term) ctrl {
		if f[src] == nil {
			return next
		}
		// each runs the body for one element, and reports whether to stop.
		out := next
		each := func(k, v *ast.Term) bool {
			if !m.step() {
				out = failed
				return true
			}
			f[key], f[val] = k, v
			switch r := body.run(m, f); {
			case r < 0:
				out = r
				return true
			case r > leave: // out of the loop, which counts as two blocks
				out = max(r-2, next)
				return true
			}
			return false
		}
		if f[src] == m.args {
			for i := range m.lazy.Len() {
				if each(ast.InternedTerm(i), m.arg(i)) {
					break
				}
			}
			return out
		}
		switch x := m.force(f[src]).Value.(type) {
		case *ast.Array:
			for i := range x.Len() {
				if each(ast.InternedTerm(i), x.Elem(i)) {
					return out
				}
			}
		case ast.Object:
			x.Until(each)
		case ast.Set:
			x.Until(func(t *ast.Term) bool { return each(t, t) })
		}
		return out
	}, nil
}

func (c *compiler) with(s *ir.WithStmt) (op, error) {
	local, v := c.local(s.Local), c.operand(s.Value)
	var path []*ast.Term
	for _, i := range s.Path {
		path = append(path, c.strings[i])
	}
	body, err := c.block(s.Block)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, f []*ast.Term) ctrl {
		saved, memos := f[local], m.memo
		m.memo = m.fresh(len(memos)) // what rules gave before may not hold with another input
		val := v.get(f)
		if len(path) > 0 { // else it is the whole: often what stood there before another "with"
			val = m.force(val)
			changed := m.change(saved, path, val)
			if changed == nil {
				changed = upsert(m.force(saved), path, val)
			}
			val = changed
		}
		f[local] = val
		r := body.run(m, f)
		m.spare = append(m.spare, m.memo)
		f[local], m.memo = saved, memos
		if r > leave {
			return r - 1
		}
		return r
	}, nil
}

// upsert returns a copy of the document with the value at the path.
func upsert(doc *ast.Term, path []*ast.Term, v *ast.Term) *ast.Term {
	if len(path) == 0 {
		return v
	}
	out := ast.NewObject()
	var old *ast.Term
	if o, ok := doc.Value.(ast.Object); ok {
		o.Foreach(func(k, x *ast.Term) { out.Insert(k, x) })
		old = o.Get(path[0])
	}
	if old == nil {
		old = ast.ObjectTerm()
	}
	out.Insert(path[0], upsert(old, path[1:], v))
	return ast.NewTerm(out)
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
		return func(m *Machine, f []*ast.Term) ctrl {
			var buf [len(Machine{}.operand)]*ast.Term
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
	return func(m *Machine, f []*ast.Term) ctrl {
		buf := m.operand[:min(len(args), len(m.operand))]
		if b.fast == nil || len(args) > len(buf) {
			buf = make([]*ast.Term, len(args)) // OPA's functions may keep it
		}
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
