package native

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/event"
)

// atom resolves a condition on one term.
func (s *specialiser) atom(n *Node) *specialised {
	funcs := n.Term.Funcs
	if _, ok := s.document(n.Term); ok && n.Term.Wildcard() {
		return s.anyElement(n.onElement())
	}
	if n.Op == Defined && n.Term.Arg != "" && len(n.Term.Path) == 0 && len(funcs) == 0 && !n.Term.Count {
		i := s.def.Arg(n.Term.Arg)
		if i < 0 {
			return noAnswer
		}
		return is(n, 1, func(_ *Scratch, ev *event.Event) bool { return ev.Has(i) })
	}
	base := s.resolve(n.Term)
	if n.Term.Count {
		return s.count(n, base)
	}
	if len(funcs) > 0 && funcs[0].Name == "base64.decode" {
		if i := s.def.Arg(n.Term.Arg); i < 0 || n.Term.Element || s.def.Args[i].Kind != event.KindBytes {
			if base.kind == never {
				return noAnswer
			}
			return maybe // decoding of a text that is not known to be base64
		}
	}
	f := apply(base, funcs)
	if n.Other != nil && f.kind != never {
		return s.two(n, f)
	}
	if f.kind == document {
		return s.documentAtom(n, f)
	}
	switch f.kind {
	case never:
		if n.Op == Assumed {
			return maybe
		}
		return noAnswer
	case unknown:
		return maybe
	}
	switch n.Op {
	case Defined, Truthy:
		return s.defined(n, f)
	case Assumed:
		if f.always {
			return yes
		}
		return maybe
	case Equal, Prefix, Suffix, Contains, Regex, CIDR:
		return s.text(n, f)
	case NumEqual, Less, LessEqual, Greater, GreaterEqual, BitsAny:
		if f.kind != number {
			if n.Op == NumEqual && f.kind != texts {
				return noAnswer // a value of another type is never equal
			}
			return maybe // Rego orders values of all types
		}
		if n.Op == BitsAny && f.raw != nil { // larger ones than MaxNumber have bits of their own
			mask := uint64(n.Nums[0])
			return is(n, 1, func(sc *Scratch, ev *event.Event) bool { v, ok := f.raw(sc, ev); return ok && v&mask != 0 })
		}
		return is(n, 1, numberTest(n, f.num))
	case Is:
		if f.kind != boolean {
			if f.kind == texts {
				return maybe
			}
			return noAnswer
		}
		want := n.Nums[0] != 0
		return is(n, 1, func(sc *Scratch, ev *event.Event) bool { v, ok := f.flag(sc, ev); return ok && v == want })
	}
	return maybe
}

// two compares two values of the event.
func (s *specialiser) two(n *Node, f field) *specialised {
	if n.Other.Count || n.Other.Wildcard() || n.Other.Element {
		return maybe
	}
	g := apply(resolve(*n.Other, s.def, s.origin, s.addressText), n.Other.Funcs)
	if f.kind == document && g.kind == document {
		return maybe
	}
	f, g = f.asText(), g.asText() // what is no text differs from one, and can't be a part of one
	switch {
	case g.kind == never:
		return noAnswer
	case n.Op == Same && f.kind == text && g.kind == text:
		return is(n, 4, func(sc *Scratch, ev *event.Event) bool {
			a, ok := f.text(sc, ev)
			if !ok {
				return false
			}
			sc.second = append(sc.second[:0], a...) // both texts may be made in the same memory
			b, ok := g.text(sc, ev)
			return ok && sameText(scratchText(sc.second), b)
		})
	case n.Op == Same && f.kind == number && g.kind == number && f.raw != nil && g.raw != nil:
		return is(n, 2, func(sc *Scratch, ev *event.Event) bool {
			a, ok1 := f.raw(sc, ev)
			b, ok2 := g.raw(sc, ev)
			return ok1 && ok2 && a == b && (f.signed == g.signed || int64(a) >= 0)
		})
	case n.Op >= Less && n.Op <= GreaterEqual && f.kind == number && g.kind == number && f.raw != nil && g.raw != nil:
		return is(n, 2, func(sc *Scratch, ev *event.Event) bool {
			a, ok1 := f.raw(sc, ev)
			b, ok2 := g.raw(sc, ev)
			return ok1 && ok2 && ordered(n.Op, order(a, f.signed, b, g.signed))
		})
	case n.Op == Same, n.Op >= Less && n.Op <= GreaterEqual:
		return maybe
	case n.Op == EqualJoin || n.Op == PrefixJoin:
		return s.join(n, f, g)
	case f.kind == text && g.kind == number && g.raw != nil && plain(n.Strs[0]+n.Strs[1]):
		return is(n, 3, func(sc *Scratch, ev *event.Event) bool {
			v, ok1 := f.text(sc, ev)
			num, ok2 := g.raw(sc, ev)
			if !ok1 || !ok2 || !strings.HasPrefix(v, n.Strs[0]) {
				return false
			}
			var buf [20]byte
			digits := strconv.AppendUint(buf[:0], num, 10)
			if g.signed {
				digits = strconv.AppendInt(buf[:0], int64(num), 10)
			}
			rest, ok := strings.CutPrefix(v[len(n.Strs[0]):], scratchText(digits))
			return ok && (rest == n.Strs[1] || n.Op == PrefixFormat && strings.HasPrefix(rest, n.Strs[1]))
		})
	case f.kind == text || f.kind == unknown || f.kind == texts:
		return maybe
	}
	return noAnswer
}

// join compares a text with one made of another.
func (s *specialiser) join(n *Node, f, g field) *specialised {
	switch {
	case f.kind == unknown || f.kind == texts || g.kind == unknown || g.kind == texts || !plain(n.Strs[0]+n.Strs[1]):
		return maybe
	case f.kind != text || g.kind != text:
		return noAnswer
	}
	return is(n, 5, func(sc *Scratch, ev *event.Event) bool {
		v, ok := f.text(sc, ev)
		if !ok || !strings.HasPrefix(v, n.Strs[0]) {
			return false
		}
		sc.second = append(sc.second[:0], v[len(n.Strs[0]):]...) // both texts may be made in the same memory
		rest := scratchText(sc.second)
		w, ok := g.text(sc, ev)
		if !ok {
			return false
		}
		if !utf8.ValidString(w) || !utf8.ValidString(rest) {
			w, rest = string([]rune(w)), string([]rune(rest))
		}
		rest, ok = strings.CutPrefix(rest, w)
		return ok && (rest == n.Strs[1] || n.Op == PrefixJoin && strings.HasPrefix(rest, n.Strs[1]))
	})
}

// order compares numbers of 64 bits, signed or not.
func order(a uint64, aSigned bool, b uint64, bSigned bool) int {
	below := func(v uint64, signed bool) bool { return signed && int64(v) < 0 }
	switch x, y := below(a, aSigned), below(b, bSigned); {
	case x && !y:
		return -1
	case !x && y:
		return 1
	}
	return cmp.Compare(a, b) // both negative numbers keep their order
}

func ordered(op Op, c int) bool {
	switch op {
	case Less:
		return c < 0
	case LessEqual:
		return c <= 0
	case Greater:
		return c > 0
	}
	return c >= 0
}

// sameText compares texts as the document has them: bytes that are not UTF-8 are all the same there.
func sameText(a, b string) bool {
	return a == b || (!utf8.ValidString(a) || !utf8.ValidString(b)) && string([]rune(a)) == string([]rune(b))
}

// count compares the length of a list.
func (s *specialiser) count(n *Node, f field) *specialised {
	var num func(sc *Scratch, ev *event.Event) (int64, bool)
	switch f.kind {
	case texts:
		num = func(sc *Scratch, ev *event.Event) (int64, bool) {
			sc.list = sc.list[:0]
			ok := f.texts(sc, ev)
			return int64(len(sc.list)), ok
		}
	case document:
		num = func(sc *Scratch, ev *event.Event) (int64, bool) {
			size, ok := f.value(sc, ev).Len(&sc.buf)
			return int64(size), ok
		}
	default:
		return maybe
	}
	switch n.Op {
	case NumEqual, Less, LessEqual, Greater, GreaterEqual:
		return is(n, 8, func(sc *Scratch, ev *event.Event) bool {
			v, ok := num(sc, ev)
			return ok && compare(n.Op, n.Nums, v)
		})
	}
	return maybe
}

func (s *specialiser) defined(n *Node, f field) *specialised {
	switch f.kind {
	case text:
		if f.isConst {
			return yes
		}
		return is(n, 1, func(sc *Scratch, ev *event.Event) bool { _, ok := f.text(sc, ev); return ok })
	case texts:
		return is(n, 4, func(sc *Scratch, ev *event.Event) bool {
			sc.list = sc.list[:0]
			return f.texts(sc, ev) && len(sc.list) > 0
		})
	case number:
		return is(n, 1, func(sc *Scratch, ev *event.Event) bool { _, ok := f.num(sc, ev); return ok })
	case boolean:
		// Partial evaluation writes a bare reference both for "has a value" and for "is not false": let false through.
		out := is(n, 1, func(sc *Scratch, ev *event.Event) bool { _, ok := f.flag(sc, ev); return ok })
		out.exact = n.Op == Defined
		return out
	}
	return maybe
}

func numberTest(n *Node, get func(*Scratch, *event.Event) (int64, bool)) test {
	op, nums := n.Op, n.Nums
	if op == NumEqual && len(nums) == 1 {
		want := nums[0]
		return func(sc *Scratch, ev *event.Event) bool { v, ok := get(sc, ev); return ok && v == want }
	}
	return func(sc *Scratch, ev *event.Event) bool { v, ok := get(sc, ev); return ok && compare(op, nums, v) }
}

func compare(op Op, nums []int64, v int64) bool {
	switch op {
	case NumEqual:
		return slices.Contains(nums, v)
	case Less:
		return v < nums[0]
	case LessEqual:
		return v <= nums[0]
	case Greater:
		return v > nums[0]
	case GreaterEqual:
		return v >= nums[0]
	case BitsAny:
		return v&nums[0] != 0
	}
	return true
}

// MaxNumber is the largest number that fields are compared with: larger unsigned ones are given as the greatest int64.
const MaxNumber = math.MaxInt64 - 1

// text compares a text, or any of a list, with the node's texts.
func (s *specialiser) text(n *Node, f field) *specialised {
	switch f.kind {
	case number, boolean, other:
		return noAnswer
	}
	for _, c := range n.Strs {
		if !plain(c) {
			return maybe
		}
	}
	if f.kind == text && !f.isConst && slices.Contains(n.Strs, "") && (n.Op == Prefix || n.Op == Suffix || n.Op == Contains) {
		return is(n, 1, func(sc *Scratch, ev *event.Event) bool { _, ok := f.text(sc, ev); return ok })
	}
	match := stringMatcher(n.Op, n.Strs)
	if match == nil {
		return maybe
	}
	if f.isConst {
		if match(f.constant) {
			return yes
		}
		return noAnswer
	}
	if n.Op == Regex && len(n.Strs) == 1 && !f.isConst && f.memo == nil {
		// What the expression can't do without is looked for first, and can be indexed.
		if texts, prefix := required(n.Strs[0]); least(texts) > 1 && !slices.ContainsFunc(texts, func(s string) bool { return !plain(s) }) {
			need := &Node{Op: Contains, Term: n.Term, Strs: texts}
			if prefix {
				need.Op = Prefix
			}
			all := &specialised{op: And, exact: true, kids: []*specialised{s.text(need, f), s.regex(n, f, match)}}
			return all
		}
	}
	if (n.Op == Regex || n.Op == CIDR) && !f.isConst && f.memo == nil {
		return s.regex(n, f, match)
	}
	cost := map[Op]int{Equal: 2, Prefix: 2, Suffix: 2, Contains: 6}[n.Op] + len(n.Strs)/8 + 3*len(n.Term.Funcs)
	l := &leaf{node: n, cost: cost, anchor: true, field: f}
	switch {
	case f.kind == texts:
		l.cost += 10
		l.test = func(sc *Scratch, ev *event.Event) bool {
			sc.list = sc.list[:0]
			if !f.texts(sc, ev) {
				return false
			}
			return slices.ContainsFunc(sc.list, match)
		}
	case f.memo != nil:
		l.cost, l.anchor = 1, false
		l.test = memoised(f, match)
	default:
		l.test = func(sc *Scratch, ev *event.Event) bool { v, ok := f.text(sc, ev); return ok && match(v) }
	}
	return &specialised{op: Is, exact: true, leaf: l}
}

// regex is a leaf that runs a regular expression, or another comparison that no index can make.
func (s *specialiser) regex(n *Node, f field, match func(string) bool) *specialised {
	if f.kind == texts {
		return is(n, 80, func(sc *Scratch, ev *event.Event) bool {
			sc.list = sc.list[:0]
			return f.texts(sc, ev) && slices.ContainsFunc(sc.list, match)
		})
	}
	return is(n, 60, func(sc *Scratch, ev *event.Event) bool { v, ok := f.text(sc, ev); return ok && match(v) })
}

// memoised remembers the answer for the last values of the number that the text comes from.
func memoised(f field, match func(string) bool) test {
	const size = 32
	var cache [size]struct {
		value  uint64
		answer uint8 // 0 not known, 1 no, 2 yes
	}
	return func(s *Scratch, ev *event.Event) bool {
		v, ok := f.memo(s, ev)
		if !ok {
			return false
		}
		e := &cache[(v^v>>5^v>>11^v>>17)%size]
		if e.answer == 0 || e.value != v {
			t, ok := f.text(s, ev)
			e.value, e.answer = v, 1
			if ok && match(t) {
				e.answer = 2
			}
		}
		return e.answer == 2
	}
}

// stringMatcher returns the comparison of a text with constants, or nil when there is none.
func stringMatcher(op Op, strs []string) func(string) bool {
	if op == CIDR {
		return inNetworks(strs)
	}
	if len(strs) == 1 && op != Regex {
		c := strs[0]
		switch op {
		case Equal:
			return func(v string) bool { return v == c }
		case Prefix:
			return func(v string) bool { return strings.HasPrefix(v, c) }
		case Suffix:
			return func(v string) bool { return strings.HasSuffix(v, c) }
		case Contains:
			return func(v string) bool { return strings.Contains(v, c) }
		}
	}
	switch op {
	case Equal:
		if len(strs) <= 4 {
			return func(v string) bool { return slices.Contains(strs, v) }
		}
		return sharedSet(strs).has
	case Prefix, Suffix, Contains:
		return sharedIndex(op, strs).any
	case Regex:
		res := make([]*regexp.Regexp, len(strs))
		for i, c := range strs {
			re, err := regexp.Compile(c)
			if err != nil {
				return nil
			}
			res[i] = re
		}
		return func(v string) bool {
			for _, re := range res {
				if re.MatchString(v) {
					return true
				}
			}
			return false
		}
	}
	return nil
}
