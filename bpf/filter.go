package bpf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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
)

// filterField is struct field of filter.h.
type filterField struct {
	Source, Test, Last, _ uint8
	Table                 uint32
	A, B                  uint64
	Grants, Constrains    uint64
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
}

// A test is one way in which a source is looked at; every clause that uses it shares its table.
type filterTest struct {
	source, test uint8
	cond         event.Cond
	clause       uint64
}

// compileFilter turns clauses into a filter. Conditions that the kernel cannot judge are left out: the filter then lets more
// through. It returns nil when it would let everything through. newTable numbers a table.
func compileFilter(def *event.Def, clauses []event.Clause, newTable func() uint32) *filter {
	if len(clauses) == 0 {
		return nil
	}
	f := &filter{numbers: map[numberKey]uint64{}}
	constrains := map[uint8]uint64{} // clauses that look at a source
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
			// One condition on a source is enough to be right; a second one would have to be met by another value.
			if !ok || constrains[source]&bit != 0 {
				continue
			}
			constrains[source] |= bit
			tests = append(tests, filterTest{source, test, cond, bit})
		}
	}
	if len(tests) == 0 {
		return nil // origins alone are in the event's configuration
	}
	// What is known of the task comes first: it is judged before any argument is read.
	slices.SortStableFunc(tests, func(a, b filterTest) int {
		return cmp.Or(
			cmp.Compare(b.source/sourceComm, a.source/sourceComm),
			cmp.Compare(a.source, b.source),
			cmp.Compare(a.test, b.test),
		)
	})
	n := 0
	for i := 0; i < len(tests); {
		start, source := n, tests[i].source
		overflow := false
		for i < len(tests) && tests[i].source == source {
			j := i
			for j < len(tests) && tests[j].source == source && tests[j].test == tests[i].test {
				j++
			}
			fields := f.add(tests[i:j], newTable)
			if n+len(fields) > maxFields {
				overflow = true
			} else {
				n += copy(f.value.Fields[n:], fields)
			}
			i = j
		}
		if overflow { // a source that is only half tested would drop too much: do not test it
			for k := start; k < n; k++ {
				f.value.Fields[k] = filterField{}
			}
			n = start
			continue
		}
		f.value.Fields[n-1].Last = 1
		f.value.Fields[n-1].Constrains = constrains[source]
	}
	f.accumulate()
	return f
}

// pushable says how the kernel can judge a condition.
func pushable(def *event.Def, c event.Cond) (source, test uint8, ok bool) {
	if c.Not || len(c.Strs)+len(c.Nums) == 0 {
		return 0, 0, false
	}
	text := func() (uint8, bool) {
		switch {
		case len(c.Strs) == 0:
			return 0, false
		case c.Op == event.OpEqual, c.Op == event.OpPrefix:
			return testText, true
		case c.Op == event.OpSuffix:
			return testSuffix, true
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

// add turns conditions of one test on one source into fields.
func (f *filter) add(tests []filterTest, newTable func() uint32) []filterField {
	field := filterField{Source: tests[0].source, Test: tests[0].test}
	switch field.Test {
	case testText, testSuffix, testSunPath:
		field.Table = newTable()
		for _, t := range tests {
			for _, s := range t.cond.Strs {
				f.texts = append(f.texts, textOf(field.Table, field.Test, t.cond.Op, s, t.clause))
			}
		}
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
	return b.Bytes()
}
