package filter

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/glob"

	"github.com/tocsin-io/tocsin/event"
)

type op uint8

const (
	opEqual op = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
)

var ops = map[string]op{"=": opEqual, "!=": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual}

// retval is the field of the return value.
const retval = -1

// cond is one condition: a field relates to at least one of the values, or, for !=, to none.
type cond struct {
	arg    int // index, or retval
	part   string
	op     op
	signed bool
	socket bool // the argument is a socket address
	enc    event.Encoding
	globs  []*glob.Pattern
	nets   []netip.Prefix // of values that are networks or, for a whole socket address, an address with any port
	text   []string       // as written
	nums   []uint64
	bits   []uint64 // pairs of mask and value: flags that must be set
}

func compile(def *event.Def, field, operator, value string) (cond, error) {
	o, ok := ops[operator]
	if !ok {
		return cond{}, fmt.Errorf("operator %q: use =, !=, <, <=, > or >=", operator)
	}
	if value == "" {
		return cond{}, fmt.Errorf("no value after %q", operator)
	}
	c := cond{op: o}
	var err error
	values := strings.Split(value, ",")
	if field == "retval" {
		c.arg, c.signed = retval, true
		return c, c.numbers(&event.Arg{Kind: event.KindInt64}, values)
	}
	if c.arg, c.part, err = locate(def, field); err != nil {
		return cond{}, err
	}
	a := &def.Args[c.arg]
	c.socket = a.Kind == event.KindSockaddr
	port := c.socket && strings.HasSuffix(c.part, "_port")
	switch {
	case port:
		return c, c.numbers(&event.Arg{Kind: event.KindUint16}, values)
	case a.Kind.Scalar():
		c.signed, c.enc = a.Kind.Signed(), a.Enc
		if a.Enc != event.EncNone && o <= opNotEqual && c.named(a, values) {
			return c, nil
		}
		return c, c.numbers(a, values)
	case o > opNotEqual:
		return cond{}, fmt.Errorf("%s is text: use = or !=", field)
	}
	c.text = values
	if c.nets, err = c.networks(values); err != nil {
		return cond{}, err
	}
	c.globs, err = globs(values)
	return c, err
}

// networks returns those of the values that are networks. What begins as one and is none is a mistake: as a text it would match nothing.
func (c *cond) networks(values []string) (out []netip.Prefix, err error) {
	for _, v := range values {
		n, err := netip.ParsePrefix(v)
		if err == nil {
			out = append(out, n.Masked())
			continue
		}
		head, bits, slash := strings.Cut(v, "/")
		a, notAddr := netip.ParseAddr(head)
		switch {
		case notAddr != nil:
		case slash && strings.Trim(bits, "0123456789") == "":
			return nil, fmt.Errorf("%q is no network: write it as 10.0.0.0/8", v)
		case c.socket && c.part == "":
			out = append(out, netip.PrefixFrom(a.WithZone(""), a.BitLen()))
		}
	}
	return out, nil
}

// matchText reports whether a text is one of the values, or an address in one of the networks.
func (c *cond) matchText(s string) bool {
	if matchAny(c.globs, s) {
		return true
	}
	if len(c.nets) == 0 {
		return false
	}
	a, err := netip.ParseAddr(s)
	return err == nil && c.within(a)
}

func (c *cond) within(a netip.Addr) bool {
	return slices.ContainsFunc(c.nets, func(n netip.Prefix) bool { return n.Contains(a) })
}

// locate splits a field into an argument, whose name may have dots, and a part of it.
func locate(def *event.Def, field string) (arg int, part string, err error) {
	if i := def.Arg(field); i >= 0 {
		return i, "", nil
	}
	for cut := strings.LastIndexByte(field, '.'); cut > 0; cut = strings.LastIndexByte(field[:cut], '.') {
		i := def.Arg(field[:cut])
		if i < 0 {
			continue
		}
		part = field[cut+1:]
		if def.Args[i].Kind == event.KindJSON {
			return i, part, nil
		}
		known := []string{"sa_family", "sun_path", "sin_addr", "sin_port", "sin6_addr", "sin6_port", "sin6_scopeid", "sin6_flowinfo"}
		if def.Args[i].Kind != event.KindSockaddr || !slices.Contains(known, part) {
			return 0, "", fmt.Errorf("%s has no part %q; an address has %s", field[:cut], part, strings.Join(known, ", "))
		}
		return i, part, nil
	}
	var names []string
	for _, a := range def.Args {
		names = append(names, a.Name)
	}
	return 0, "", fmt.Errorf("%s has no argument %q; it has %s, retval", def.Name, field, strings.Join(names, ", "))
}

func (c *cond) numbers(a *event.Arg, values []string) error {
	for _, v := range values {
		n, err := number(a, strings.TrimSpace(v))
		if err != nil {
			if a.Enc != event.EncNone {
				return fmt.Errorf("%w; it is one of %s", err, strings.Join(a.Enc.Names(), ", "))
			}
			return err
		}
		c.nums = append(c.nums, n)
	}
	if c.op > opNotEqual && len(c.nums) > 1 {
		return fmt.Errorf("one value is compared, not %d", len(c.nums))
	}
	return nil
}

// named reads values that are flags or globs over a number's text.
func (c *cond) named(a *event.Arg, values []string) bool {
	for _, v := range values {
		if strings.ContainsAny(v, "*?[{") {
			g, err := glob.Compile(v)
			if err != nil {
				return false
			}
			c.globs = append(c.globs, g)
			continue
		}
		if !a.Enc.Flags() {
			return len(c.globs) == len(values)
		}
		mask, value, ok := bits(a.Enc, v)
		if !ok {
			return false
		}
		c.bits = append(c.bits, mask, value)
	}
	return true
}

// bits returns what a number has whose text contains all of the flags A|B|….
func bits(enc event.Encoding, flags string) (mask, value uint64, ok bool) {
	for flag := range strings.SplitSeq(flags, "|") {
		m, v, ok := enc.Bits(flag)
		if !ok || value&m != v&mask { // the same bits, with another value: no number has both
			return 0, 0, false
		}
		mask, value = mask|m, value|v
	}
	return mask, value, true
}

// match reports whether the condition holds. An argument that is absent holds no condition, not even !=.
func (c *cond) match(ev *event.Event) bool {
	if c.arg != retval && !c.present(ev) {
		return false
	}
	return c.any(ev) == (c.op != opNotEqual)
}

func (c *cond) present(ev *event.Event) bool {
	if !ev.Has(c.arg) {
		return false
	}
	if c.part != "" && !c.socket {
		return len(members(ev.Bytes(c.arg), c.part)) > 0
	}
	return c.part == "" || slices.ContainsFunc(ev.Sockaddr(c.arg).Fields(), func(f event.SockaddrField) bool { return f.Name == c.part })
}

// any reports whether the field relates to one of the values.
func (c *cond) any(ev *event.Event) bool {
	if c.arg == retval {
		return c.compare(uint64(ev.Return))
	}
	a := &ev.Def.Args[c.arg]
	switch {
	case a.Kind.Scalar():
		v := ev.Uint(c.arg)
		if len(c.nums) > 0 {
			return c.compare(v)
		}
		for i := 0; i < len(c.bits); i += 2 {
			if v&c.bits[i] == c.bits[i+1] {
				return true
			}
		}
		return len(c.globs) > 0 && matchAny(c.globs, c.enc.Text(v))
	case a.Kind == event.KindString:
		return c.matchText(ev.Str(c.arg))
	case a.Kind == event.KindStrings:
		for _, s := range ev.StrList(c.arg) {
			if c.matchText(s) {
				return true
			}
		}
		return false
	case a.Kind == event.KindSockaddr:
		return c.address(ev.Sockaddr(c.arg))
	}
	if c.part != "" {
		return slices.ContainsFunc(members(ev.Bytes(c.arg), c.part), c.matchText)
	}
	return matchAny(c.globs, ev.ArgText(c.arg))
}

// members returns the values of all members of that name in a document, however deep: dns_questions.query has one for each question.
func members(doc []byte, name string) []string {
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return nil
	}
	var out []string
	var walk func(v any, wanted bool)
	walk = func(v any, wanted bool) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				walk(v, k == name)
			}
		case []any:
			for _, v := range v {
				walk(v, wanted)
			}
		case string:
			if wanted {
				out = append(out, v)
			}
		default:
			if wanted {
				out = append(out, fmt.Sprint(v))
			}
		}
	}
	walk(v, false)
	return out
}

func (c *cond) address(sa event.Sockaddr) bool {
	if c.part == "" {
		return matchAny(c.globs, Address(sa)) || matchAny(c.globs, sa.Text()) || c.within(sa.Addr)
	}
	for _, f := range sa.Fields() {
		if f.Name != c.part {
			continue
		}
		if len(c.nums) > 0 {
			n, err := strconv.ParseUint(f.Value, 10, 16)
			return err == nil && c.compare(n)
		}
		return c.matchText(f.Value)
	}
	return false
}

// Address is a socket address as people write it: a path, or address and port.
func Address(sa event.Sockaddr) string {
	switch sa.Family {
	case event.AFUnix:
		return sa.Path
	case event.AFInet, event.AFInet6:
		if sa.Addr.Is6() {
			return "[" + sa.Addr.String() + "]:" + strconv.Itoa(int(sa.Port))
		}
		return sa.Addr.String() + ":" + strconv.Itoa(int(sa.Port))
	}
	return sa.FamilyName()
}

func (c *cond) compare(v uint64) bool {
	if c.op <= opNotEqual {
		return slices.Contains(c.nums, v)
	}
	less, greater := v < c.nums[0], v > c.nums[0]
	if c.signed {
		less, greater = int64(v) < int64(c.nums[0]), int64(v) > int64(c.nums[0])
	}
	switch c.op {
	case opLess:
		return less
	case opLessEqual:
		return !greater
	case opGreater:
		return greater
	}
	return !less
}

// kernel returns conditions for the sensor of which one holds whenever the group does: it may let more through, never less. It
// returns none when the kernel cannot judge the group.
func (g *group) kernel() []event.Cond {
	var out []event.Cond
	for i := range g.conds {
		c := &g.conds[i]
		if c.arg == retval || c.op == opNotEqual {
			continue // only narrows what the others let through
		}
		conds, ok := c.kernel(g.field)
		switch {
		case c.op != opEqual && ok:
			return conds // all of these must hold: one is enough
		case c.op == opEqual && !ok:
			return nil // an alternative that the kernel cannot judge
		}
		out = append(out, conds...)
	}
	return out
}

func (c *cond) kernel(field string) ([]event.Cond, bool) {
	nums := func(op event.Op, v ...uint64) ([]event.Cond, bool) {
		return []event.Cond{{Field: field, Op: op, Nums: v}}, true
	}
	switch {
	case c.op == opEqual && len(c.text) > 0:
		return c.kernelText(field)
	case c.op == opEqual && len(c.nums) > 0:
		return nums(event.OpEqual, c.nums...)
	case c.op == opEqual && len(c.bits) > 0 && len(c.globs) == 0:
		return nums(event.OpBits, c.bits...)
	case len(c.nums) == 0:
		return nil, false
	case c.op == opLess:
		return nums(event.OpLess, c.nums[0])
	case c.op == opGreater:
		return nums(event.OpGreater, c.nums[0])
	case c.op == opLessEqual && c.nums[0]+1 != c.least():
		return nums(event.OpLess, c.nums[0]+1)
	case c.op == opGreaterEqual && c.nums[0] != c.least():
		return nums(event.OpGreater, c.nums[0]-1)
	}
	return nil, false
}

// least is the smallest number of the field's type.
func (c *cond) least() uint64 {
	if c.signed {
		return 1 << 63
	}
	return 0
}

// kernelText turns values of a text, or of an address, into conditions.
func (c *cond) kernelText(field string) ([]event.Cond, bool) {
	if !c.socket && c.part != "dst_ip" && c.part != "dst_port" {
		if len(c.nets) > 0 {
			return nil, false
		}
		return textConds(field, c.text)
	}
	switch {
	case strings.HasSuffix(c.part, "_addr"), c.part == "dst_ip":
		nets := make([]string, len(c.text))
		for i, s := range c.text {
			if n, err := netip.ParsePrefix(s); err == nil {
				nets[i] = n.Masked().String()
			} else if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
				nets[i] = netip.PrefixFrom(a, a.BitLen()).String()
			} else {
				return nil, false
			}
		}
		if len(c.nets) > 0 {
			return []event.Cond{{Field: field, Op: event.OpCIDR, Strs: nets}}, true
		}
		return []event.Cond{{Field: field, Strs: c.text}}, true
	case c.part == "dst_port":
		return []event.Cond{{Field: field, Strs: c.text}}, true
	case c.part == "sun_path":
		return textConds(field, c.text)
	case c.part != "":
		return nil, false
	}
	// The whole address: only that of a Unix socket begins with a slash.
	for _, s := range c.text {
		if !strings.HasPrefix(s, "/") {
			return nil, false
		}
	}
	return textConds(field+".sun_path", c.text)
}
