// Package native matches events against conditions without OPA: conditions over the typed event, indexed by the texts
// that they compare with, so that a thousand rules cost little more than ten.
//
// Conditions come from partially evaluated rules. A condition that can't be expressed here is left out, which lets more
// events through, never fewer: whoever asks confirms each candidate with the rule's full semantics. Under a negation a
// condition is exact, or the whole negation is left out.
package native

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Op is what a Node says.
type Op uint8

const (
	True Op = iota // also: could not be expressed
	False
	And
	Or
	Not
	Any      // one element of the list Term satisfies Kids[0], whose terms are that element
	Defined  // the term has a value
	Truthy   // … that is not false
	Assumed  // … or not: the condition is exact only where the term always has one
	Equal    // the text is one of Strs
	Prefix   // … starts with one of Strs
	Suffix   // … ends with one of Strs
	Contains // … contains one of Strs
	Regex    // … matches one of Strs
	NumEqual // the number is one of Nums
	Less     // … is less than Nums[0]
	LessEqual
	Greater
	GreaterEqual
	BitsAny // the number has one of the bits of Nums[0]
	Is      // the value is true (Nums[0] 1) or false (0)
	Same    // the value is that of Other
	// The text is, or starts with, Strs[0], the decimal number Other, and Strs[1].
	EqualFormat
	PrefixFormat
	// The text is, or starts with, Strs[0], the text Other, and Strs[1].
	EqualJoin
	PrefixJoin
	CIDR // the text is an address, or a network, within one of the networks Strs
)

var opNames = [...]string{"true", "false", "and", "or", "not", "any", "defined", "truthy", "assumed", "==", "startswith", "endswith", "contains", "matches", "==", "<", "<=", ">", ">=", "&", "is", "==", "==", "startswith", "==", "startswith", "in"}

// Node is a condition.
type Node struct {
	Op     Op
	Kids   []*Node // And, Or, Not
	Term   Term
	Strs   []string
	Nums   []int64
	Other  *Term // of Same, the orderings, and the formats: another value of the event
	Approx bool  // a True that stands for something that could not be expressed
	Why    string
}

// Term is a value of the event.
type Term struct {
	Arg   string   // argument's name; empty for another part of the document
	Path  []string // what follows: members, "[]" any element, "[0]" that element
	Funcs []Func   // applied to the text, first one first
	Count bool     // the number of elements
	// Element: below Any, the element itself, or what Path names in it.
	Element bool
}

// Func is a function on text.
type Func struct {
	Name     string // "lower", "base64.decode", "substring", "trim_prefix", "trim_suffix"
	From, To int    // of substring, in characters; To -1 is the end
	Text     string
}

// Unknown is a condition that could not be expressed, for a reason that explain shows.
func Unknown(why string) *Node { return &Node{Op: True, Approx: true, Why: why} }

// Const is a condition that always has the same value.
func Const(b bool) *Node {
	if b {
		return &Node{Op: True}
	}
	return &Node{Op: False}
}

// AllOf is the conjunction of nodes.
func AllOf(nodes ...*Node) *Node {
	out := &Node{Op: And}
	for _, n := range nodes {
		switch {
		case n.Op == False:
			return n
		case n.Op == And:
			out.Kids = append(out.Kids, n.Kids...)
		case n.Op == True && !n.Approx:
		default:
			out.Kids = append(out.Kids, n)
		}
	}
	// What another condition needs to have a value has one.
	out.Kids = slices.DeleteFunc(out.Kids, func(n *Node) bool {
		return n.Op == Assumed && slices.ContainsFunc(out.Kids, func(k *Node) bool {
			return k.Op >= Defined && k.Op != Assumed && k.Term.String() == n.Term.String()
		})
	})
	switch len(out.Kids) {
	case 0:
		return Const(true)
	case 1:
		return out.Kids[0]
	}
	return out
}

// AnyOf is the disjunction of nodes.
func AnyOf(nodes ...*Node) *Node {
	out := &Node{Op: Or}
	for _, n := range nodes {
		switch {
		case n.Op == True:
			return n
		case n.Op == Or:
			out.Kids = append(out.Kids, n.Kids...)
		case n.Op == False:
		default:
			out.Kids = append(out.Kids, n)
		}
	}
	switch len(out.Kids) {
	case 0:
		return Const(false)
	case 1:
		return out.Kids[0]
	}
	return out
}

// Negate is the negation of a node: True, approximately, when the node is not exact.
func Negate(n *Node) *Node {
	switch {
	case !n.Exact():
		return Unknown("not of " + n.why())
	case n.Op == True:
		return Const(false)
	case n.Op == False:
		return Const(true)
	}
	return &Node{Op: Not, Kids: []*Node{n}}
}

// Exact reports whether nothing was left out.
func (n *Node) Exact() bool {
	if n.Approx {
		return false
	}
	for _, k := range n.Kids {
		if !k.Exact() {
			return false
		}
	}
	return true
}

func (n *Node) why() string {
	if n.Approx {
		return n.Why
	}
	for _, k := range n.Kids {
		if w := k.why(); w != "" {
			return w
		}
	}
	return ""
}

// Reasons returns why parts of the condition could not be expressed.
func (n *Node) Reasons() []string {
	var out []string
	if n.Approx {
		out = append(out, n.Why)
	}
	for _, k := range n.Kids {
		out = append(out, k.Reasons()...)
	}
	return out
}

// String writes the term as rules do.
func (t Term) String() string {
	var b strings.Builder
	for i := len(t.Funcs) - 1; i >= 0; i-- {
		b.WriteString(t.Funcs[i].Name + "(")
	}
	if t.Count {
		b.WriteString("count(")
	}
	b.WriteString(t.base())
	if t.Count {
		b.WriteByte(')')
	}
	for _, f := range t.Funcs {
		switch f.Name {
		case "substring":
			fmt.Fprintf(&b, ", %d, %d", f.From, f.To)
		case "trim_prefix", "trim_suffix":
			b.WriteString(", " + strconv.Quote(f.Text))
		}
		b.WriteByte(')')
	}
	return b.String()
}

func (t Term) base() string {
	s := t.Arg
	if t.Element {
		s = "element"
	}
	for i, p := range t.Path {
		if !strings.HasPrefix(p, "[") && (i > 0 || s != "") {
			s += "."
		}
		s += p
	}
	return s
}

// String writes the condition in one line.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b, false)
	return b.String()
}

func (n *Node) write(b *strings.Builder, nested bool) {
	switch n.Op {
	case True:
		if n.Approx {
			b.WriteString("?")
		} else {
			b.WriteString("true")
		}
	case False:
		b.WriteString("false")
	case And, Or:
		if nested {
			b.WriteByte('(')
		}
		for i, k := range n.Kids {
			if i > 0 {
				b.WriteString(" " + opNames[n.Op] + " ")
			}
			k.write(b, true)
		}
		if nested {
			b.WriteByte(')')
		}
	case Not:
		b.WriteString("not ")
		n.Kids[0].write(b, true)
	case Any:
		b.WriteString("any " + n.Term.String() + ": ")
		n.Kids[0].write(b, true)
	case Defined, Assumed:
		b.WriteString(n.Term.String() + " is there")
	case Truthy:
		b.WriteString(n.Term.String() + " is there and not false")
	default:
		b.WriteString(n.Term.String() + " " + opNames[n.Op] + " ")
		switch {
		case n.Other != nil && len(n.Strs) == 0:
			b.WriteString(n.Other.String())
		case n.Other != nil:
			fmt.Fprintf(b, "%q", n.Strs[0]+"{"+n.Other.String()+"}"+n.Strs[1])
		case len(n.Strs) == 1:
			b.WriteString(strconv.Quote(n.Strs[0]))
		case len(n.Strs) > 4:
			fmt.Fprintf(b, "any of %d", len(n.Strs))
		case len(n.Strs) > 1:
			fmt.Fprintf(b, "%q", n.Strs)
		case n.Op == Is:
			b.WriteString(strconv.FormatBool(n.Nums[0] != 0))
		case len(n.Nums) == 1:
			b.WriteString(strconv.FormatInt(n.Nums[0], 10))
		default:
			fmt.Fprint(b, n.Nums)
		}
	}
}

// tag marks a wildcard that other conditions of the same body share: "[]#name".
const tag = "[]#"

// Shared returns a path step for any element of a list, the same one wherever the name is the same. Unshare resolves it.
func Shared(name string) string { return tag + name }

// shared returns the names of shared wildcards in the condition.
func (n *Node) shared(names map[string]bool) {
	for _, p := range n.Term.Path {
		if v, ok := strings.CutPrefix(p, tag); ok {
			names[v] = true
		}
	}
	for _, k := range n.Kids {
		k.shared(names)
	}
}

// Unshare resolves the shared wildcards of a conjunction: conditions on one element of a list become one Any. Where that
// can't be said each condition stands for itself, and the conjunction is approximate.
func Unshare(all []*Node) *Node {
	if n := AllOf(all...); n.Op == And {
		all = n.Kids
	}
	var out []*Node
	for _, same := range related(all) {
		if len(same.names) == 0 {
			out = append(out, same.nodes...)
			continue
		}
		n := onOne(same.nodes)
		if n == nil {
			return AllOf(append(plainWildcards(all), Unknown("conditions on one element of a list"))...)
		}
		out = append(out, n)
	}
	return AllOf(out...)
}

// sharing are conditions that share wildcards with one another.
type sharing struct {
	nodes []*Node
	names map[string]bool // of the wildcards; none: it is one condition, which shares nothing
}

// related gathers the conditions that share wildcards, in their order.
func related(all []*Node) []*sharing {
	var out []*sharing
	for _, n := range all {
		here := &sharing{nodes: []*Node{n}, names: map[string]bool{}}
		n.shared(here.names)
		out = slices.DeleteFunc(out, func(g *sharing) bool {
			for name := range g.names {
				if here.names[name] {
					here.nodes = append(slices.Clone(g.nodes), here.nodes...)
					maps.Copy(here.names, g.names)
					return true
				}
			}
			return false
		})
		out = append(out, here)
	}
	return out
}

// onOne writes conditions as one on an element of one list, or returns nil. Elements of lists within lists are those of the
// innermost: that a list around it has an element needs not be said.
func onOne(all []*Node) *Node {
	var innermost *Term
	for _, n := range all {
		if l := n.list(); l != nil && (innermost == nil || len(l.Path) > len(innermost.Path)) {
			innermost = l
		}
	}
	if innermost == nil {
		return nil
	}
	var kids []*Node
	for _, n := range all {
		l := n.list()
		switch {
		case l != nil && l.String() == innermost.String():
			e := n.element()
			if e == nil {
				return nil
			}
			kids = append(kids, e)
		case n.Op == Defined && len(n.Term.Funcs) == 0 && n.Term.Arg == innermost.Arg && len(n.Term.Path) < len(innermost.Path) &&
			slices.Equal(n.Term.Path, innermost.Path[:len(n.Term.Path)]):
		default:
			return nil
		}
	}
	return &Node{Op: Any, Term: innermost.plain(), Kids: []*Node{AllOf(kids...)}}
}

// list is the list whose element the condition is about, up to the last shared wildcard; nil when it is about none, or several.
func (n *Node) list() *Term {
	if len(n.Kids) > 0 {
		if n.Op == Any {
			return nil
		}
		var found *Term
		for _, k := range n.Kids {
			l := k.list()
			if l == nil || found != nil && found.String() != l.String() {
				return nil
			}
			found = l
		}
		return found
	}
	return n.Term.list(tag)
}

// list is the list whose element the term is, or is in: up to the last wildcard that begins so.
func (t Term) list(wildcard string) *Term {
	for i := len(t.Path) - 1; i >= 0; i-- {
		if strings.HasPrefix(t.Path[i], wildcard) {
			return &Term{Arg: t.Arg, Element: t.Element, Path: t.Path[:i+1]}
		}
	}
	return nil
}

// in is the term as seen from the element of the list that it is in.
func (t Term) in(list *Term) Term {
	return Term{Element: true, Path: t.Path[len(list.Path):], Funcs: t.Funcs, Count: t.Count}
}

// plain is the term with wildcards that are not shared.
func (t Term) plain() Term {
	t.Path = slices.Clone(t.Path)
	for i, p := range t.Path {
		if strings.HasPrefix(p, tag) {
			t.Path[i] = "[]"
		}
	}
	return t
}

// element rewrites a condition on a shared element to one on Any's element; nil when it can't be.
func (n *Node) element() *Node {
	c := *n
	if len(n.Kids) > 0 {
		c.Kids = nil
		for _, k := range n.Kids {
			e := k.element()
			if e == nil {
				return nil
			}
			c.Kids = append(c.Kids, e)
		}
		return &c
	}
	l := n.Term.list(tag)
	if l == nil || n.Op < Defined || n.Term.Count || n.Other != nil && n.Other.Wildcard() {
		return nil
	}
	c.Term = n.Term.in(l)
	return &c
}

// onElement writes a condition on any element that its term stands for as one on an element of a list.
func (n *Node) onElement() *Node {
	l := n.Term.list("[]")
	c := *n
	c.Term = n.Term.in(l)
	return &Node{Op: Any, Term: *l, Kids: []*Node{&c}}
}

// plainWildcards makes shared wildcards independent. What is negated is left out then.
func plainWildcards(all []*Node) []*Node {
	out := make([]*Node, len(all))
	for i, n := range all {
		names := map[string]bool{}
		n.shared(names)
		switch {
		case len(names) == 0:
			out[i] = n
		case n.Op < Defined:
			out[i] = Unknown("conditions on one element of a list")
		default:
			c := *n
			c.Term = n.Term.plain()
			out[i] = &c
		}
	}
	return out
}

// Wildcard reports whether the term stands for any element of a list.
func (t Term) Wildcard() bool {
	return slices.ContainsFunc(t.Path, func(p string) bool { return p == "[]" || strings.HasPrefix(p, tag) })
}
