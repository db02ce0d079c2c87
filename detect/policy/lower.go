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

// meaning is what a term of the residue stands for: a constant, a term of the event, or neither.
type meaning struct {
	konst ast.Value
	term  *native.Term
	// shared: a wildcard in the term may be bound elsewhere too, so that conditions on it are not independent.
	shared bool
	format *format
	always bool   // it has a value, whatever the event is
	why    string // neither: why
}

// format is a constant text, a value of the event, and a constant text. The value is a number, in decimal form, or a text.
type format struct {
	before, after string
	value         native.Term
	text          bool
}

func (f *format) hasValue() *native.Node {
	if f.text { // what is no text can't be joined
		return &native.Node{Op: native.Prefix, Term: f.value, Strs: []string{""}}
	}
	return &native.Node{Op: native.Defined, Term: f.value}
}

// relation is the condition that the term is, or begins with, the format's text.
func (f *format) relation(t *native.Term, prefix bool) *native.Node {
	n := &native.Node{Op: native.EqualFormat, Term: *t, Other: &f.value, Strs: []string{f.before, f.after}}
	switch {
	case f.text && prefix:
		n.Op = native.PrefixJoin
	case f.text:
		n.Op = native.EqualJoin
	case prefix:
		n.Op = native.PrefixFormat
	}
	return n
}

func (v *meaning) known() bool { return v.konst != nil || v.term != nil }

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

// sharedAs makes the wildcards of the value the same wherever the name is used.
func (v *meaning) sharedAs(name string) *meaning {
	t := *v.term
	t.Path = append([]string(nil), t.Path...)
	for i, p := range t.Path {
		if p == "[]" {
			t.Path[i] = native.Shared(name)
		}
	}
	return &meaning{term: &t, shared: true}
}

// value reads a term.
func (s *scope) value(t *ast.Term) *meaning {
	switch x := t.Value.(type) {
	case ast.Var:
		if v := s.bound[x]; v != nil {
			return v
		}
		if a := s.alias[x]; a != nil {
			delete(s.alias, x) // no cycles
			v := s.value(a)
			s.alias[x] = a
			if v.term != nil && v.term.Wildcard() && !v.shared {
				return v.sharedAs(string(x))
			}
			return v
		}
		return &meaning{why: "a variable"}
	case ast.Ref:
		return s.ref(x)
	case ast.Call:
		return s.function(x)
	case *ast.ArrayComprehension, *ast.SetComprehension:
		return &meaning{always: true, why: "a comprehension"} // if need be an empty one
	}
	if t.IsGround() {
		ground := true
		ast.WalkTerms(t, func(t *ast.Term) bool {
			switch t.Value.(type) {
			case ast.Ref, ast.Call, *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				ground = false
			}
			return !ground
		})
		if ground {
			return &meaning{konst: t.Value}
		}
	}
	return &meaning{why: "a value made from the event"}
}

func (s *scope) ref(ref ast.Ref) *meaning {
	var out native.Term
	var rest ast.Ref
	shared := false
	switch {
	case len(ref) > 1 && isInput(ref[0]):
		rest = ref[1:]
		if ref[1].Equal(argsKey) {
			v, ok := argVar(ref)
			name := s.args[v]
			if !ok || name == "" || !ref[3].Equal(valueKey) {
				return &meaning{why: "arguments read in another way than by a constant name"}
			}
			out.Arg, rest = name, ref[4:]
		}
	default:
		// A path below a variable that stands for a part of the event.
		v, ok := ref[0].Value.(ast.Var)
		if !ok || (s.alias[v] == nil && s.bound[v] == nil) {
			return &meaning{why: "a reference to " + ref[0].String()}
		}
		base := s.value(ref[0])
		if base.term == nil || len(base.term.Funcs) > 0 {
			return &meaning{why: "a part of a value"}
		}
		out = *base.term
		out.Path = append([]string(nil), base.term.Path...)
		rest, shared = ref[1:], base.shared
	}
	for _, t := range rest {
		switch x := t.Value.(type) {
		case ast.String:
			if strings.HasPrefix(string(x), "[") {
				return &meaning{why: "a member named like an element"}
			}
			out.Path = append(out.Path, string(x))
		case ast.Number:
			n, ok := x.Int()
			if !ok || n < 0 {
				return &meaning{why: "an element at " + x.String()}
			}
			out.Path = append(out.Path, "["+strconv.Itoa(n)+"]")
		case ast.Var:
			if s.alias[x] != nil || s.bound[x] != nil {
				return &meaning{why: "an element chosen by a value"}
			}
			if s.uses[x] > 1 {
				out.Path = append(out.Path, native.Shared(string(x)))
				shared = true
			} else {
				out.Path = append(out.Path, "[]")
			}
		default:
			return &meaning{why: "an element chosen by a value"}
		}
	}
	return &meaning{term: &out, shared: shared}
}

// function reads a call that makes a value.
func (s *scope) function(c ast.Call) *meaning {
	op := c[0].String()
	unknown := &meaning{why: op}
	if len(c) < 2 {
		return unknown
	}
	if op == "sprintf" && len(c) == 3 {
		if f := s.formatted(c[1], c[2]); f != nil {
			return &meaning{format: f, why: op}
		}
	}
	if op == "concat" && len(c) == 3 {
		if f := s.joined(c[1], c[2]); f != nil {
			return &meaning{format: f, why: op}
		}
	}
	v := s.value(c[1])
	if v.term == nil || v.term.Count {
		if v.why != "" {
			unknown.why = op + " of " + v.why
		}
		return unknown
	}
	out := *v.term
	out.Funcs = append([]native.Func(nil), v.term.Funcs...)
	text := func(i int) (string, bool) {
		if i >= len(c) {
			return "", false
		}
		s, ok := s.value(c[i]).konst.(ast.String)
		return string(s), ok
	}
	number := func(i int) (int, bool) {
		if i >= len(c) {
			return 0, false
		}
		n, ok := s.value(c[i]).konst.(ast.Number)
		if !ok {
			return 0, false
		}
		return n.Int()
	}
	switch op {
	case "lower", "upper", "base64.decode":
		out.Funcs = append(out.Funcs, native.Func{Name: op})
	case "trim_prefix", "trim_suffix":
		t, ok := text(2)
		if !ok {
			return unknown
		}
		out.Funcs = append(out.Funcs, native.Func{Name: op, Text: t})
	case "substring":
		from, ok1 := number(2)
		n, ok2 := number(3)
		if !ok1 || !ok2 || from < 0 {
			return unknown
		}
		f := native.Func{Name: op, From: from, To: -1}
		if n >= 0 {
			f.To = from + n
		}
		out.Funcs = append(out.Funcs, f)
	case "count":
		if len(out.Funcs) > 0 || out.Wildcard() {
			return unknown
		}
		out.Count = true
	default:
		return unknown
	}
	return &meaning{term: &out, shared: v.shared}
}

// formatted reads sprintf("…%d…", [number]).
func (s *scope) formatted(form, list *ast.Term) *format {
	text, ok := form.Value.(ast.String)
	args, isArray := list.Value.(*ast.Array)
	if !ok || !isArray || args.Len() != 1 || strings.Count(string(text), "%") != 1 {
		return nil
	}
	before, after, ok := strings.Cut(string(text), "%d")
	v := s.value(args.Elem(0))
	if !ok || v.term == nil || v.shared || v.term.Wildcard() || len(v.term.Funcs) > 0 {
		return nil
	}
	return &format{before: before, after: after, value: *v.term}
}

// joined reads concat("…", [constants and one text]).
func (s *scope) joined(between, list *ast.Term) *format {
	sep, ok := s.value(between).konst.(ast.String)
	args, isArray := list.Value.(*ast.Array)
	if !ok || !isArray {
		return nil
	}
	f := &format{text: true}
	found := false
	for i := range args.Len() {
		part := &f.before
		if found {
			part = &f.after
		}
		if i > 0 {
			*part += string(sep)
		}
		v := s.value(args.Elem(i))
		text, isText := v.konst.(ast.String)
		switch {
		case isText:
			*part += string(text)
		case found || v.term == nil || v.shared || v.term.Wildcard() || v.term.Count || len(v.term.Funcs) > 0:
			return nil
		default:
			f.value, found = *v.term, true
		}
	}
	if !found {
		return nil
	}
	return f
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
			return native.Unknown("a rule compared with a value of the event")
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
