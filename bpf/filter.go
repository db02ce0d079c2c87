package bpf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/bpf/internal/packet"
	"github.com/tocsin-io/tocsin/event"
)

// Limits of filter.h.
const (
	maxFields    = 24
	maxFilters   = 512
	maxClauses   = 64
	textMax      = 248
	suffixMax    = 32
	textTableLen = 4
)

// Sources of a field that are not arguments: properties of the task.
var taskSources = map[string]uint8{"@comm": 32, "@uid": 33, "@pid": 34, "@tid": 35, "@mntns": 36, "@pidns": 37, "@cgroup": 38}

const sourceComm = 32

// Tests of filter.h.
const (
	testEnd uint8 = iota
	testText
	testSuffix
	testSunPath
	testAddress
	testPort
	testEqual
	testBits
	testLess
	testGreater
	testLessSigned
	testGreaterSigned
	testContains
)

// How the fields of a group are judged together; see filter.h.
const (
	lastAny uint8 = iota + 1
	lastNone
)

// filterField is struct field of filter.h.
type filterField struct {
	Source, Test, Last, _ uint8
	Table                 uint32
	A, B                  uint64
	Grants, Constrains    uint64
	Some                  [4]uint64
	Mask, _               uint32
}

// filterValue is struct filter of filter.h.
type filterValue struct {
	Clauses [4]uint64
	Fields  [maxFields]filterField
}

// textKey is struct text_key of sensor.h.
type textKey struct {
	PrefixLen uint32
	Table     uint32
	Data      [textMax + 4]byte
}

// needles is struct needles of filter.h.
type needles struct {
	First, Last uint64
	Least       uint64 // length of the shortest
	Heads       uint64 // bits of as many first bytes of each
	Bytes       [256]uint64
	Grants      [64]uint64
}

type numberKey struct {
	Table uint32
	_     uint32
	Value uint64
}

// A textEntry is one beginning that a text may have; bits of data count.
type textEntry struct {
	table  uint32
	data   string
	bits   int
	grants uint64
}

// A filter is the kernel's form of a selection.
type filter struct {
	value   filterValue
	texts   []textEntry
	numbers map[numberKey]uint64
	needles map[uint32]*needles
}

// A test is one way in which a source is looked at; every clause that uses it shares its table.
type filterTest struct {
	group
	test   uint8
	cond   event.Cond
	clause uint64
}

// A group of tests of one source is judged together: a clause needs one of them to hold, or in a group that is negated, none. What
// a text contains is a group of its own, so that a clause can ask for the beginning of a path and for something in it.
type group struct {
	source          uint8
	inside, negated bool
}

func groupOf(source, test uint8, negated bool) group {
	return group{source, test == testContains, negated}
}

func (g group) compare(h group) int {
	number := func(g group) (n int) {
		if g.negated {
			n++
		}
		if g.inside { // dear, and asked last: only where some clause is left
			n += 2
		}
		return n
	}
	return cmp.Or(
		// What is known of the task comes first: it is judged before any argument is read.
		cmp.Compare(h.source/sourceComm, g.source/sourceComm),
		cmp.Compare(g.source, h.source),
		cmp.Compare(number(g), number(h)),
	)
}

// compileFilter turns clauses into a filter. Conditions that the kernel cannot judge are left out: the filter then lets more
// through. It returns nil when it would let everything through. newTable numbers a table.
func compileFilter(def *event.Def, clauses []event.Clause, newTable func() uint32) *filter {
	if len(clauses) == 0 {
		return nil
	}
	f := &filter{numbers: map[numberKey]uint64{}, needles: map[uint32]*needles{}}
	constrains := map[group]uint64{} // clauses that it has tests of
	var tests []filterTest
	for i, c := range clauses {
		bit := uint64(1) << min(i, maxClauses-1)
		for o := event.OriginHost; o <= event.OriginContainerInit; o++ {
			if c.Origins.Has(o) {
				f.value.Clauses[o] |= bit
			}
		}
		if i >= maxClauses-1 {
			continue // the last bit stands for all further clauses, and tests nothing
		}
		for _, cond := range c.Conds {
			source, test, ok := pushable(def, cond)
			g := groupOf(source, test, cond.Not)
			// One condition is enough to be right, and in one group a second one would be met by the value that meets the first. Negated
			// ones must all hold anyway.
			if !ok || constrains[g]&bit != 0 && !g.negated {
				continue
			}
			constrains[g] |= bit
			tests = append(tests, filterTest{g, test, cond, bit})
		}
	}
	tests, laid := layNeedles(tests, constrains)
	if len(tests) == 0 {
		return nil // origins alone are in the event's configuration
	}
	slices.SortStableFunc(tests, func(a, b filterTest) int { return cmp.Or(a.group.compare(b.group), cmp.Compare(a.test, b.test)) })
	n := 0
	for i := 0; i < len(tests); {
		start, g := n, tests[i].group
		overflow := false
		for i < len(tests) && tests[i].group == g {
			j := i
			for j < len(tests) && tests[j].group == g && tests[j].test == tests[i].test {
				j++
			}
			fields := f.add(tests[i:j], laid[g], newTable)
			if n+len(fields) > maxFields {
				overflow = true
			} else {
				n += copy(f.value.Fields[n:], fields)
			}
			i = j
		}
		if overflow { // a group that is only half tested would drop too much: do not test it
			for k := start; k < n; k++ {
				f.value.Fields[k] = filterField{}
			}
			n = start
			continue
		}
		f.value.Fields[n-1].Last = lastAny
		if g.negated {
			f.value.Fields[n-1].Last = lastNone
		}
		f.value.Fields[n-1].Constrains = constrains[g]
	}
	f.accumulate()
	return f
}

// pushable says how the kernel can judge a condition.
func pushable(def *event.Def, c event.Cond) (source, test uint8, ok bool) {
	if len(c.Strs)+len(c.Nums) == 0 {
		return 0, 0, false
	}
	if c.Not {
		defer func() { ok = ok && exact(c, test) }()
	}
	text := func() (uint8, bool) {
		switch {
		case len(c.Strs) == 0:
			return 0, false
		case c.Op == event.OpEqual, c.Op == event.OpPrefix:
			return testText, true
		case c.Op == event.OpSuffix:
			return testSuffix, true
		case c.Op == event.OpContains && !slices.ContainsFunc(c.Strs, func(s string) bool { return s == "" || !ascii(s) }):
			return testContains, true
		}
		return 0, false
	}
	number := func(signed bool) (uint8, bool) {
		if len(c.Nums) == 0 {
			return 0, false
		}
		switch {
		case c.Op == event.OpEqual:
			return testEqual, true
		case c.Op == event.OpBits:
			return testBits, len(c.Nums)%2 == 0
		case c.Op == event.OpLess && signed:
			return testLessSigned, true
		case c.Op == event.OpLess:
			return testLess, true
		case c.Op == event.OpGreater && signed:
			return testGreaterSigned, true
		case c.Op == event.OpGreater:
			return testGreater, true
		}
		return 0, false
	}
	if s, isTask := taskSources[c.Field]; isTask {
		if s != sourceComm {
			test, ok = number(false)
			return s, test, ok
		}
		test, ok = text()
		return s, test, ok && test == testText
	}
	name, part, _ := strings.Cut(c.Field, ".")
	arg := def.Arg(c.Field)
	if arg < 0 && part != "" {
		if arg = def.Arg(name); arg >= 0 && packet.Is(def) && arg == 0 { // the kernel has the destination there
			part = map[string]string{"dst_ip": "sin_addr", "dst_port": "sin_port"}[part]
		} else if arg < 0 || def.Args[arg].Kind != event.KindSockaddr {
			return 0, 0, false
		}
		switch part {
		case "sun_path":
			test, ok = text()
			return uint8(arg), testSunPath, ok && test == testText
		case "sin_port", "sin6_port":
			_, ok := ports(c)
			return uint8(arg), testPort, ok && c.Op == event.OpEqual
		case "sin_addr", "sin6_addr":
			_, ok := prefixes(c)
			return uint8(arg), testAddress, ok
		}
		return 0, 0, false
	}
	if arg < 0 {
		return 0, 0, false
	}
	switch kind := def.Args[arg].Kind; {
	case kind == event.KindString:
		test, ok = text()
		return uint8(arg), test, ok
	case kind.Scalar():
		test, ok = number(kind.Signed())
		return uint8(arg), test, ok
	}
	return 0, 0, false
}

// exact reports whether a test holds on nothing but what the condition holds on, so that its negation drops nothing else: texts are
// whole, and what is not searched to its end is not said to have anything in it.
func exact(c event.Cond, test uint8) bool {
	limit := map[uint8]int{testText: textMax - 2, testSuffix: suffixMax, testEqual: 0}
	most, ok := limit[test]
	return ok && !slices.ContainsFunc(c.Strs, func(s string) bool { return len(s) > most })
}

// ascii reports whether a text is compared with a path byte by byte: a byte that is no UTF-8 is shown as another character.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// ports returns the port numbers of a condition, given as numbers or as text.
func ports(c event.Cond) ([]uint64, bool) {
	out := slices.Clone(c.Nums)
	for _, s := range c.Strs {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// prefixes returns the addresses or networks of a condition.
func prefixes(c event.Cond) ([]netip.Prefix, bool) {
	var out []netip.Prefix
	for _, s := range c.Strs {
		switch c.Op {
		case event.OpEqual:
			a, err := netip.ParseAddr(s)
			if err != nil || a.Zone() != "" {
				return nil, false
			}
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		case event.OpCIDR:
			p, err := netip.ParsePrefix(s)
			if err != nil {
				return nil, false
			}
			out = append(out, p.Masked())
		default:
			return nil, false
		}
	}
	return out, len(out) > 0
}

// add turns conditions of one test on one source into fields. Needles are laid already.
func (f *filter) add(tests []filterTest, laid *needles, newTable func() uint32) []filterField {
	field := filterField{Source: tests[0].source, Test: tests[0].test}
	switch field.Test {
	case testText, testSuffix, testSunPath:
		field.Table = newTable()
		from := len(f.texts)
		for _, t := range tests {
			for _, s := range t.cond.Strs {
				f.texts = append(f.texts, textOf(field.Table, field.Test, t.cond.Op, s, t.clause))
			}
		}
		field.Mask, field.Some = someOf(f.texts[from:], field.Test)
	case testAddress:
		field.Table = newTable()
		six := newTable() // follows
		for _, t := range tests {
			nets, _ := prefixes(t.cond)
			for _, p := range nets {
				table := field.Table
				if p.Addr().BitLen() == 128 {
					table = six
				}
				f.texts = append(f.texts, textEntry{table, string(p.Addr().AsSlice()), p.Bits(), t.clause})
			}
		}
	case testPort, testEqual:
		field.Table = newTable()
		for _, t := range tests {
			values := t.cond.Nums
			if field.Test == testPort {
				values, _ = ports(t.cond)
			}
			for _, v := range values {
				f.numbers[numberKey{Table: field.Table, Value: v}] |= t.clause
			}
		}
	case testContains:
		field.Table = newTable()
		f.needles[field.Table] = laid
	default: // comparisons: a field each
		var out []filterField
		for _, t := range tests {
			step := 1
			if field.Test == testBits {
				step = 2
			}
			for i := 0; i+step <= len(t.cond.Nums); i += step {
				c := field
				c.A, c.Grants = t.cond.Nums[i], t.clause
				if step == 2 {
					c.B = t.cond.Nums[i+1]
				}
				// Many clauses ask the same: there are not fields enough for each of them.
				same := func(o filterField) bool { return o.A == c.A && o.B == c.B }
				if i := slices.IndexFunc(out, same); i >= 0 {
					out[i].Grants |= c.Grants
				} else {
					out = append(out, c)
				}
			}
		}
		return out
	}
	return []filterField{field}
}

const (
	needleBits  = 64
	needleBytes = 8 // of a needle, where there is not room for more
	leastCommon = 4 // bytes that needles must begin with to be looked for as one
)

// layNeedles lays the needles of each group, and takes away the condition with most of them until there is room for the rest.
func layNeedles(tests []filterTest, constrains map[group]uint64) ([]filterTest, map[group]*needles) {
	laid := map[group]*needles{}
	for g := range constrains {
		for g.inside {
			asked := slices.DeleteFunc(slices.Clone(tests), func(t filterTest) bool { return t.group != g })
			if len(asked) == 0 {
				break
			}
			if laid[g] = needlesOf(asked); laid[g] != nil {
				break
			}
			most := slices.MaxFunc(asked, func(a, b filterTest) int { return len(a.cond.Strs) - len(b.cond.Strs) })
			constrains[g] &^= most.clause
			tests = slices.DeleteFunc(tests, func(t filterTest) bool { return t.group == g && t.clause == most.clause })
		}
	}
	return tests, laid
}

// A needle is what is looked for, or how it begins, for the clauses that ask for it.
type needle struct {
	text   string
	grants uint64
}

// needlesOf lays needles side by side. Where there is not room for all of them, less of them is looked for. It returns nil
// when even that is too much.
func needlesOf(tests []filterTest) *needles {
	clauses := map[string]uint64{}
	for _, t := range tests {
		for _, s := range t.cond.Strs {
			clauses[s] |= t.clause
		}
	}
	list := make([]needle, 0, len(clauses))
	for s, grants := range clauses {
		list = append(list, needle{s, grants})
	}
	list = uniteNeedles(list)
	for most := needleBits; sizeOf(list) > needleBits && most >= needleBytes; most-- {
		for i, n := range list {
			list[i].text = n.text[:min(len(n.text), most)]
		}
		list = uniteNeedles(list)
	}
	for sizeOf(list) > needleBits {
		best, common := 0, 0
		for i := 1; i < len(list); i++ {
			if list[i].grants == list[i-1].grants {
				if n := commonPrefix(list[i-1].text, list[i].text); n > common {
					best, common = i, n
				}
			}
		}
		if common < leastCommon {
			return nil
		}
		list[best].text = list[best].text[:common]
		list = uniteNeedles(slices.Delete(list, best-1, best))
	}
	out, at := &needles{Least: needleBits}, 0
	for _, n := range list {
		out.Least = min(out.Least, uint64(len(n.text)))
	}
	for _, n := range list {
		out.Heads |= (1<<out.Least - 1) << at
		out.First |= 1 << at
		for i := range len(n.text) {
			out.Bytes[n.text[i]] |= 1 << (at + i)
		}
		at += len(n.text)
		out.Last |= 1 << (at - 1)
		out.Grants[at-1] = n.grants
	}
	return out
}

// uniteNeedles sorts them, for each set of clauses by itself, and leaves out what has another in it.
func uniteNeedles(list []needle) []needle {
	slices.SortFunc(list, func(a, b needle) int {
		return cmp.Or(cmp.Compare(a.grants, b.grants), cmp.Compare(a.text, b.text))
	})
	list = slices.Compact(list)
	return slices.DeleteFunc(slices.Clone(list), func(n needle) bool {
		return slices.ContainsFunc(list, func(o needle) bool {
			return o != n && n.grants&^o.grants == 0 && strings.Contains(n.text, o.text) && (n.text != o.text || n.grants < o.grants)
		})
	})
}

func sizeOf(list []needle) (bytes int) {
	for _, n := range list {
		bytes += len(n.text)
	}
	return bytes
}

func commonPrefix(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// textOf returns the entry for a text. Texts that are too long are known by their beginning, or end.
func textOf(table uint32, test uint8, op event.Op, s string, clause uint64) textEntry {
	if test == testSuffix {
		b := []byte(s)
		slices.Reverse(b)
		if len(b) > suffixMax {
			b = b[:suffixMax]
		}
		return textEntry{table, string(b), 8 * len(b), clause}
	}
	if op == event.OpEqual {
		s += "\x00"
	}
	if len(s) > textMax-1 {
		s = s[:textMax-1]
	}
	return textEntry{table, s, 8 * len(s), clause}
}

// someOf returns what tells, of most texts, that none of the entries is theirs: see may_have_text of filter.h.
func someOf(entries []textEntry, test uint8) (mask uint32, some [4]uint64) {
	n := 4
	for _, e := range entries {
		n = min(n, len(e.data))
	}
	for _, e := range entries {
		var word, m [4]byte
		for i := range n {
			at := i
			if test == testSuffix { // entries are reversed
				at = 3 - i
			}
			word[at], m[at] = e.data[i], 0xff
		}
		mask = binary.LittleEndian.Uint32(m[:])
		bit := binary.LittleEndian.Uint32(word[:]) * 0x9e3779b1 >> 24
		some[bit>>6] |= 1 << (bit & 63)
	}
	return mask, some
}

// accumulate unites entries of the same text, and makes each grant what its beginnings grant: a lookup finds only the longest.
func (f *filter) accumulate() {
	slices.SortFunc(f.texts, func(a, b textEntry) int {
		if a.table != b.table {
			return int(a.table) - int(b.table)
		}
		if a.bits != b.bits {
			return a.bits - b.bits
		}
		return strings.Compare(a.data, b.data)
	})
	out := f.texts[:0]
	for _, e := range f.texts {
		if n := len(out); n > 0 && out[n-1].table == e.table && out[n-1].bits == e.bits && out[n-1].data == e.data {
			out[n-1].grants |= e.grants
			continue
		}
		out = append(out, e)
	}
	for i := range out {
		for j := range i { // shorter ones come first
			if out[j].table == out[i].table && beginsWith(out[i].data, out[j].data, out[j].bits) {
				out[i].grants |= out[j].grants
			}
		}
	}
	f.texts = out
}

// beginsWith compares the first n bits.
func beginsWith(s, prefix string, n int) bool {
	whole, rest := n/8, n%8
	if len(s) < len(prefix) || s[:whole] != prefix[:whole] {
		return false
	}
	return rest == 0 || bits.LeadingZeros8(s[whole]^prefix[whole]) >= rest
}

// key returns an entry's key in the trie.
func (e textEntry) key() textKey {
	k := textKey{PrefixLen: uint32(8*textTableLen + e.bits), Table: e.table}
	copy(k.Data[:], e.data)
	return k
}

// equalFilters reports whether two filters are the same but for the numbers of their tables.
func equalFilters(a, b *filter) bool {
	return bytes.Equal(a.fingerprint(), b.fingerprint())
}

func (f *filter) fingerprint() []byte {
	tables := map[uint32]uint32{}
	name := func(t uint32) uint32 {
		if t != 0 && tables[t] == 0 {
			tables[t] = uint32(len(tables) + 1)
		}
		return tables[t]
	}
	var b bytes.Buffer
	v := f.value
	for i := range v.Fields {
		v.Fields[i].Table = name(v.Fields[i].Table)
	}
	binary.Write(&b, binary.NativeEndian, v) //nolint:errcheck // a Buffer does not fail
	for _, e := range f.texts {
		b.WriteString(strconv.Itoa(int(name(e.table))) + "/" + strconv.Itoa(e.bits) + "/" + strconv.FormatUint(e.grants, 16) + "/" + e.data)
	}
	numbers := make([]string, 0, len(f.numbers))
	for k, g := range f.numbers {
		numbers = append(numbers, strconv.Itoa(int(name(k.Table)))+"="+strconv.FormatUint(k.Value, 16)+"/"+strconv.FormatUint(g, 16))
	}
	slices.Sort(numbers)
	b.WriteString(strings.Join(numbers, ","))
	for _, table := range slices.Sorted(maps.Keys(f.needles)) {
		fmt.Fprint(&b, name(table), *f.needles[table])
	}
	return b.Bytes()
}
