// Package native matches events against conditions without OPA: conditions over the typed event, indexed by the texts
// that they compare with, so that a thousand rules cost little more than ten.
//
// Conditions come from partially evaluated rules. A condition that can't be expressed here is left out, which lets more
// events through, never fewer: whoever asks confirms each candidate with the rule's full semantics. Under a negation a
// condition is exact, or the whole negation is left out.
package native

import (
	"fmt"
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
)

var opNames = [...]string{"true", "false", "and", "or", "not", "defined", "truthy", "assumed", "==", "startswith", "endswith", "contains", "matches", "==", "<", "<=", ">", ">=", "&", "is"}

// Node is a condition.
type Node struct {
	Op     Op
	Kids   []*Node // And, Or, Not
	Term   Term
	Strs   []string
	Nums   []int64
	Approx bool // a True that stands for something that could not be expressed
	Why    string
}

// Term is a value of the event.
type Term struct {
	Arg   string   // argument's name; empty for another part of the document
	Path  []string // what follows: members, "[]" any element, "[0]" that element
	Funcs []Func   // applied to the text, first one first
	Count bool     // the number of elements
}

// Func is a function on text.
type Func struct {
	Name     string // "lower", "base64.decode", "substring", "trim_prefix", "trim_suffix"
	From, To int    // of substring, in characters; To -1 is the end
	Text     string
}

// Unknown is a condition that could not be expressed, for a reason that explain shows.
func Unknown(why string) *Node { return &Node{Op: True, Approx: true, Why: why} }

// Constant conditions.
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
	for i, p := range t.Path {
		if !strings.HasPrefix(p, "[") && (i > 0 || t.Arg != "") {
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
	case Defined, Truthy, Assumed:
		b.WriteString(n.Term.String())
	default:
		b.WriteString(n.Term.String() + " " + opNames[n.Op] + " ")
		switch {
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

// Wildcard reports whether the term stands for any element of a list.
func (t Term) Wildcard() bool { return slices.Contains(t.Path, "[]") }
