package policy

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/native"
)

// Condition is what partial evaluation leaves of the rule, as a condition on the event: the rule can match only where it
// holds. What can't be expressed is left out of it, and says why.
func (r *Rule) Condition() *native.Node { return r.lower().condition }

// Answers are what the rule answers when it matches, if that is made of constants and values of the event; else they are nil.
func (r *Rule) Answers() native.Answers { return r.lower().answers }

func (r *Rule) lower() *lowered {
	r.lowering.Lock()
	defer r.lowering.Unlock()
	if r.lowered == nil {
		condition, answers := r.lowerResidue()
		r.lowered = &lowered{condition, answers}
		r.Release()
	}
	return r.lowered
}

func (r *Rule) lowerResidue() (*native.Node, native.Answers) {
	res, err := r.Residue()
	if err != nil {
		return native.Unknown(err.Error()), nil
	}
	if len(res.Bodies) > maxResidue {
		return native.Unknown("more than " + strconv.Itoa(maxResidue) + " alternatives"), nil
	}
	l := &lowering{support: map[string][]*ast.Rule{}}
	for _, m := range res.Support {
		for _, rule := range m.Rules {
			key := rule.Ref().String()
			l.support[key] = append(l.support[key], rule)
		}
	}
	var any []*native.Node
	for _, b := range res.Bodies {
		l.made = nil
		cond := l.body(b, nil)
		if any = append(any, cond); l.made != nil && !l.answers.Add(l.made, cond) {
			l.complex = true
		}
	}
	if l.complex {
		l.answers = nil
	}
	whole := native.Merge(native.AnyOf(any...))
	l.answers.Merge(whole, len(any))
	return whole, l.answers
}

// maxResidue bounds the bodies that are looked at.
const maxResidue = 20000

// lowering turns residues into conditions.
type lowering struct {
	support map[string][]*ast.Rule
	depth   int
	answers native.Answers // of the bodies
	made    *native.Answer // of the body at hand
	complex bool           // an answer is not made of constants and values of the event
}

// maxDepth bounds how deep support rules are put in the place of references to them.
const maxDepth = 12

// scope is one body.
type scope struct {
	*lowering
	args  map[ast.Var]string    // variables that index input.args, with the argument's name
	alias map[ast.Var]*ast.Term // variables that stand for a term
	bound map[ast.Var]*meaning  // parameters of a support rule
	uses  map[ast.Var]int
}

func isInput(t *ast.Term) bool { return t.Equal(ast.InputRootDocument) }

// argVar returns the variable of input.args[v].….
func argVar(ref ast.Ref) (ast.Var, bool) {
	if len(ref) < 4 || !isInput(ref[0]) || !ref[1].Equal(argsKey) {
		return "", false
	}
	v, ok := ref[2].Value.(ast.Var)
	return v, ok
}

var (
	argsKey  = ast.StringTerm("args")
	nameKey  = ast.StringTerm("name")
	valueKey = ast.StringTerm("value")
)

// body lowers a conjunction.
func (l *lowering) body(b ast.Body, bound map[ast.Var]*meaning) *native.Node {
	s := &scope{lowering: l, args: map[ast.Var]string{}, alias: map[ast.Var]*ast.Term{}, bound: bound, uses: map[ast.Var]int{}}
	ast.WalkVars(b, func(v ast.Var) bool { s.uses[v]++; return false })
	named := map[*ast.Expr]bool{}
	for _, e := range b {
		if e.Negated || len(e.With) > 0 || !e.IsEquality() || len(e.Operands()) != 2 {
			continue
		}
		x, y := e.Operand(0), e.Operand(1)
		for range 2 {
			if ref, ok := x.Value.(ast.Ref); ok && len(ref) == 4 && ref[3].Equal(nameKey) {
				if v, ok := argVar(ref); ok {
					if name, ok := y.Value.(ast.String); ok {
						if old, has := s.args[v]; has && old != string(name) {
							return native.Const(false) // one argument does not have two names
						}
						s.args[v] = string(name)
						named[e] = true
					}
				}
			}
			x, y = y, x
		}
	}
	aliases := map[*ast.Expr]*ast.Term{}
	for _, e := range b {
		if e.Negated || len(e.With) > 0 || named[e] {
			continue
		}
		if v, t := s.definition(e); t != nil && s.args[v] == "" && s.alias[v] == nil && s.bound[v] == nil {
			s.alias[v] = t
			aliases[e] = t
		}
	}
	var all []*native.Node
	for _, e := range b {
		switch {
		case named[e]:
			ref, ok := e.Operand(0).Value.(ast.Ref)
			if !ok {
				ref = e.Operand(1).Value.(ast.Ref)
			}
			v, _ := argVar(ref)
			all = append(all, &native.Node{Op: native.Defined, Term: native.Term{Arg: s.args[v]}})
		case aliases[e] != nil:
			all = append(all, s.hasValue(aliases[e]))
		default:
			all = append(all, s.expr(e))
		}
	}
	return native.Unshare(all)
}

// definition reads an expression that gives a variable its value: v = term, or f(x, v).
func (s *scope) definition(e *ast.Expr) (ast.Var, *ast.Term) {
	terms, ok := e.Terms.([]*ast.Term)
	if !ok {
		return "", nil
	}
	if e.IsEquality() && len(terms) == 3 {
		for i := 1; i <= 2; i++ {
			if v, ok := terms[i].Value.(ast.Var); ok && v != answer {
				return v, terms[3-i]
			}
		}
		return "", nil
	}
	op := terms[0].String()
	if b := ast.BuiltinMap[op]; b != nil {
		if n := len(b.Decl.FuncArgs().Args); len(terms) == n+2 {
			if v, ok := terms[n+1].Value.(ast.Var); ok && v != answer {
				return v, ast.CallTerm(terms[:n+1]...)
			}
		}
	}
	return "", nil
}

// hasValue is the condition that a term is defined.
func (s *scope) hasValue(t *ast.Term) *native.Node {
	v := s.value(t)
	switch {
	case v.konst != nil:
		return native.Const(true)
	case v.term != nil:
		return &native.Node{Op: native.Defined, Term: *v.term}
	case v.format != nil:
		return v.format.hasValue()
	case v.always:
		return native.Const(true)
	}
	return native.Unknown(v.why)
}

// all lists the conditions that the terms have values.
func all(s *scope, terms []*ast.Term) []*native.Node {
	var out []*native.Node
	for _, t := range terms {
		out = append(out, s.hasValue(t))
	}
	return out
}

// expr lowers one expression.
func (s *scope) expr(e *ast.Expr) *native.Node {
	if len(e.With) > 0 {
		return native.Unknown("with")
	}
	if e.Negated {
		// Partial evaluation takes a value that is compared with itself for equal, and so loses that it may be undefined.
		if t, ok := e.Terms.(*ast.Term); ok && ast.Boolean(true).Equal(t.Value) {
			return native.Unknown("a value compared with itself")
		}
		c := e.Copy()
		c.Negated = false
		return native.AllOf(append(s.hoisted(c), native.Negate(s.expr(c)))...)
	}
	switch t := e.Terms.(type) {
	case *ast.Term:
		return s.holds(t)
	case []*ast.Term:
		op := t[0].String()
		if e.IsEquality() && len(t) == 3 {
			return s.equality(t[1], t[2])
		}
		b := ast.BuiltinMap[op]
		if b == nil {
			return s.supportCall(t)
		}
		n := len(b.Decl.FuncArgs().Args)
		if len(t) == n+2 {
			return s.result(op, t[1:n+1], t[n+1])
		}
		return s.relation(op, t[1:])
	case *ast.Every:
		return s.every(t)
	}
	return native.Unknown("an expression")
}

// every lowers a condition on each element of a constant list.
func (s *scope) every(e *ast.Every) *native.Node {
	list := s.value(e.Domain).konst
	v, ok := e.Value.Value.(ast.Var)
	if !ok || list == nil {
		return native.Unknown("every")
	}
	bound := map[ast.Var]*meaning{}
	for x, a := range s.bound {
		bound[x] = a
	}
	for x := range s.alias {
		if a := s.value(ast.NewTerm(x)); a.known() {
			if a.term != nil && a.term.Wildcard() {
				return native.Unknown("every")
			}
			bound[x] = a
		}
	}
	var all []*native.Node
	each(list, func(t *ast.Term) {
		bound[v] = &meaning{konst: t.Value}
		all = append(all, s.lowering.body(e.Body, bound))
	})
	return native.AllOf(all...)
}

// hoisted returns what must have a value for the negation of a call to hold: OPA's compiler takes references out of
// negated calls (not f(input.x) is undefined where input.x is), but partial evaluation does not show it.
func (s *scope) hoisted(e *ast.Expr) []*native.Node {
	terms, ok := e.Terms.([]*ast.Term)
	if !ok || e.IsEquality() {
		return nil
	}
	var out []*native.Node
	for _, t := range terms[1:] {
		// A whole argument has a value, or its name would not have been found.
		if v := s.value(t); v.term != nil && (v.term.Arg == "" || len(v.term.Path) > 0) {
			out = append(out, &native.Node{Op: native.Assumed, Term: *v.term})
		} else if v.format != nil {
			if v.format.text {
				out = append(out, v.format.hasValue())
			} else {
				out = append(out, &native.Node{Op: native.Assumed, Term: v.format.value})
			}
		}
	}
	return out
}

// holds lowers a bare term: it has a value, which is not false. Partial evaluation writes that for "has a value" too, so
// false is let through.
func (s *scope) holds(t *ast.Term) *native.Node {
	if ref, ok := t.Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
		return s.supportRef(ref, nil, truthy)
	}
	if c, ok := t.Value.(ast.Call); ok {
		return s.expr(&ast.Expr{Terms: []*ast.Term(c)})
	}
	v := s.value(t)
	switch {
	case v.konst != nil:
		return native.Const(!ast.Boolean(false).Equal(v.konst))
	case v.term != nil:
		return &native.Node{Op: native.Truthy, Term: *v.term}
	}
	return native.Unknown(v.why)
}

// truthy, matches and equals judge the value of a support rule: yes, no or don't know.
type judge func(ast.Value) bool

func truthy(v ast.Value) bool { return !ast.Boolean(false).Equal(v) }

func matches(v ast.Value) bool {
	_, isObject := v.(ast.Object)
	return isObject || ast.Boolean(true).Equal(v)
}

func (s *scope) equality(a, b *ast.Term) *native.Node {
	for range 2 {
		if v, ok := a.Value.(ast.Var); ok && v == answer {
			return s.answer(b)
		}
		if ref, ok := a.Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
			if c := s.value(b); c.konst != nil {
				return s.supportRef(ref, nil, func(v ast.Value) bool { return v.Compare(c.konst) == 0 })
			}
			return native.Unknown("the value of a rule with else, default or with (two rules instead of an else are compiled)")
		}
		a, b = b, a
	}
	x, y := s.value(a), s.value(b)
	if x.konst != nil && y.konst == nil {
		x, y = y, x
	}
	switch {
	case x.konst != nil && y.konst != nil:
		return native.Const(x.konst.Compare(y.konst) == 0)
	case x.term != nil && y.konst != nil:
		return equals(x.term, y.konst)
	case x.term != nil && y.term != nil && (comparesWith(x, y) || comparesWith(y, x)):
		if y.term.Wildcard() {
			x, y = y, x
		}
		return &native.Node{Op: native.Same, Term: *x.term, Other: y.term}
	case x.format != nil && y.term != nil:
		x, y = y, x
		fallthrough
	case x.term != nil && y.format != nil && !x.term.Wildcard():
		if y.format != nil && !x.term.Wildcard() {
			return y.format.relation(x.term, false)
		}
	}
	return native.AllOf(s.hasValue(a), s.hasValue(b), native.Unknown("two values of the event compared"))
}

// comparesWith reports whether a condition can compare the term of x, of one element of a list perhaps, with that of y.
func comparesWith(x, y *meaning) bool {
	return !y.term.Wildcard() && !y.term.Count && !x.term.Count && (!x.term.Wildcard() || x.shared)
}

// equals is the condition that a term has a constant value.
func equals(t *native.Term, c ast.Value) *native.Node {
	switch x := c.(type) {
	case ast.String:
		return &native.Node{Op: native.Equal, Term: *t, Strs: []string{string(x)}}
	case ast.Number:
		if n, ok := integer(x); ok {
			return &native.Node{Op: native.NumEqual, Term: *t, Nums: []int64{n}}
		}
	case ast.Boolean:
		n := int64(0)
		if x {
			n = 1
		}
		return &native.Node{Op: native.Is, Term: *t, Nums: []int64{n}}
	case *ast.Array:
		if x.Len() == 0 && len(t.Funcs) == 0 && !t.Wildcard() && !t.Count {
			empty := *t
			empty.Count = true
			return &native.Node{Op: native.NumEqual, Term: empty, Nums: []int64{0}}
		}
	}
	return native.Unknown("a comparison with " + ast.ValueName(c))
}

// integer returns a constant that fields can be compared with.
func integer(n ast.Number) (int64, bool) {
	i, ok := n.Int64()
	return i, ok && i < native.MaxNumber
}

// answer lowers what the rule answers: a match is true or an object.
func (s *scope) answer(t *ast.Term) *native.Node {
	if s.made = s.read(t); s.made == nil {
		s.complex = true
	}
	switch x := t.Value.(type) {
	case ast.Ref:
		if x.HasPrefix(ast.DefaultRootRef) {
			return s.supportRef(x, nil, matches)
		}
		return native.AllOf(s.hasValue(t), native.Unknown("a value of the event as the answer"))
	case ast.Object:
		// Every part must have a value.
		var all []*native.Node
		part := func(p *ast.Term) {
			if p.IsGround() {
				if v := s.value(p); v.konst != nil {
					return
				}
			}
			all = append(all, s.hasValue(p))
		}
		x.Foreach(func(k, v *ast.Term) { part(k); part(v) })
		return native.AllOf(all...)
	}
	v := s.value(t)
	if v.konst != nil {
		return native.Const(matches(v.konst))
	}
	return native.Unknown("a value of the event as the answer")
}

// read reads an answer that is made of constants and values of the event.
func (s *scope) read(t *ast.Term) *native.Answer {
	if ast.Boolean(true).Equal(t.Value) {
		return &native.Answer{}
	}
	x, ok := t.Value.(ast.Object)
	if !ok {
		return nil
	}
	out := &native.Answer{Object: true}
	for _, key := range x.Keys() { // sorted
		k, isText := key.Value.(ast.String)
		part := x.Get(key)
		v := s.value(part)
		if !isText {
			return nil
		}
		switch {
		case v.konst != nil:
			raw, err := marshal(v.konst)
			if err != nil {
				return nil
			}
			out.Members = append(out.Members, native.Member{Name: string(k), JSON: string(raw)})
		case v.term == nil || v.term.Count || !out.Take(string(k), *v.term):
			return nil
		}
	}
	return out
}

// result lowers f(args) = out.
func (s *scope) result(op string, args []*ast.Term, out *ast.Term) *native.Node {
	v := s.value(out)
	if b, ok := v.konst.(ast.Boolean); ok {
		n := s.relation(op, args)
		if bool(b) {
			return n
		}
		// The function must have a value, which it has not for a value of another type.
		all := []*native.Node{native.Unknown(op + " is false")}
		for _, a := range args {
			all = append(all, s.hasValue(a))
		}
		if n.Exact() && !wildcard(n) {
			all = append(all, native.Negate(n))
		}
		return native.AllOf(all...)
	}
	if n := s.bits(op, args, v.konst); n != nil {
		return n
	}
	f := s.function(append(ast.Call{ast.VarTerm(op)}, args...))
	if f.term != nil && v.konst != nil {
		return equals(f.term, v.konst)
	}
	return native.Unknown(op)
}

// bits lowers bits.and(x, mask) = 0; it is nil when it can't.
func (s *scope) bits(op string, args []*ast.Term, out ast.Value) *native.Node {
	if op != "bits.and" || len(args) != 2 {
		return nil
	}
	x, m := s.value(args[0]), s.value(args[1])
	if x.konst != nil {
		x, m = m, x
	}
	mask, ok := m.konst.(ast.Number)
	zero, isNumber := out.(ast.Number)
	if x.term == nil || x.term.Wildcard() || x.term.Count || len(x.term.Funcs) > 0 || !ok || !isNumber || zero.Compare(ast.Number("0")) != 0 {
		return nil
	}
	n, ok := integer(mask)
	if !ok || n < 0 {
		return nil
	}
	return native.AllOf(&native.Node{Op: native.Defined, Term: *x.term}, native.Negate(&native.Node{Op: native.BitsAny, Term: *x.term, Nums: []int64{n}}))
}

func wildcard(n *native.Node) bool {
	if n.Term.Wildcard() {
		return true
	}
	for _, k := range n.Kids {
		if wildcard(k) {
			return true
		}
	}
	return false
}

// String writes the rule's name, for messages.
func (r *Rule) String() string { return strings.TrimPrefix(r.match.String(), "data.") }
