package detect

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/event"
)

const allOrigins = event.InHost | event.InContainer | event.InContainerInit

// selection is what the sensor must deliver for the dispatch's rules: an event that a rule can match satisfies one of the
// clauses. A condition that the sensor's terms can't express is left out, which lets more through.
// It is false when no rule can match any event of the kind.
func (d *dispatch) selection(def *event.Def) (event.Selection, bool) {
	sel := event.Selection{Event: def.Name}
	var clauses []event.Clause
	for o := range d.programs {
		for _, en := range d.entries {
			if !en.origins.Has(event.Origin(o)) {
				continue
			}
			for _, conj := range d.clauses[o][en.number].Any {
				c := event.Clause{Origins: 1 << o, Conds: conditions(def, conj, addressText(en.rule))}
				clauses = append(clauses, c)
			}
		}
	}
	clauses = fewer(clauses)
	for i := range clauses {
		if clauses[i].Origins == allOrigins {
			clauses[i].Origins = 0
			if len(clauses[i].Conds) == 0 {
				return sel, true // every occurrence
			}
		}
	}
	sel.Clauses = clauses
	return sel, len(clauses) > 0
}

// maxClauses is how many clauses of an event the sensor judges.
const maxClauses = 60

// fewer unites clauses, and asks less of them when they are still too many.
func fewer(list []event.Clause) []event.Clause {
	unite := func() { list = uniteValues(dropCovered(uniteOrigins(list))) }
	unite()
	// First goes what tells least, then all but the most telling condition.
	for _, keep := range []func([]event.Cond) []event.Cond{
		func(conds []event.Cond) []event.Cond {
			least := func(c event.Cond) bool { return c.Not || c.Op == event.OpContains }
			if out := slices.DeleteFunc(slices.Clone(conds), least); len(out) > 0 {
				return out
			}
			return conds
		},
		func(conds []event.Cond) []event.Cond {
			if len(conds) < 2 {
				return conds
			}
			rank := func(c event.Cond) int {
				return slices.Index([]event.Op{event.OpPrefix, event.OpSuffix, event.OpEqual}, c.Op)
			}
			best := conds[0]
			for _, c := range conds[1:] {
				if (len(c.Strs) > 0 && len(best.Strs) == 0) || (len(c.Strs) > 0) == (len(best.Strs) > 0) && rank(c) > rank(best) {
					best = c
				}
			}
			return []event.Cond{best}
		},
	} {
		if len(list) <= maxClauses {
			break
		}
		for i := range list {
			list[i].Conds = keep(list[i].Conds)
		}
		unite()
	}
	return list
}

func addressText(r *rule) bool {
	rr, ok := r.Rule.(*regoRule)
	return ok && rr.policy.AddressText
}

func condKey(c event.Cond) string { return fmt.Sprintf("%s\x00%d\x00%t", c.Field, c.Op, c.Not) }

func clauseKey(conds []event.Cond) string {
	parts := make([]string, len(conds))
	for i, c := range conds {
		parts[i] = fmt.Sprintf("%s\x00%q\x00%d", condKey(c), c.Strs, c.Nums)
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x01")
}

// uniteOrigins makes one clause of those that differ in their origins alone.
func uniteOrigins(list []event.Clause) []event.Clause {
	at := map[string]int{}
	var out []event.Clause
	for _, c := range list {
		k := clauseKey(c.Conds)
		if i, ok := at[k]; ok {
			out[i].Origins |= c.Origins
			continue
		}
		at[k] = len(out)
		out = append(out, c)
	}
	return out
}

// dropCovered drops clauses of which another asks less.
func dropCovered(list []event.Clause) []event.Clause {
	var open event.Origins
	for _, c := range list {
		if len(c.Conds) == 0 {
			open |= c.Origins
		}
	}
	var out []event.Clause
	if open != 0 {
		out = append(out, event.Clause{Origins: open})
	}
	for _, c := range list {
		if c.Origins &^= open; c.Origins != 0 {
			out = append(out, c)
		}
	}
	return out
}

// uniteValues makes one clause of those that differ in the values of one condition alone.
func uniteValues(list []event.Clause) []event.Clause {
	for changed := true; changed; {
		changed = false
		widest := 0
		for _, c := range list {
			widest = max(widest, len(c.Conds))
		}
		for width := 1; width <= widest; width++ { // by the number of conditions: the union keeps it
			for pos := range width {
				at := map[string]int{}
				var out []event.Clause
				for _, c := range list {
					if len(c.Conds) != width || !isUnion(c.Conds[pos]) {
						out = append(out, c)
						continue
					}
					rest := slices.Delete(slices.Clone(c.Conds), pos, pos+1)
					k := fmt.Sprintf("%d\x02%s\x02%s", c.Origins, condKey(c.Conds[pos]), clauseKey(rest))
					if i, ok := at[k]; ok {
						u := &out[i].Conds[pos]
						u.Strs, u.Nums = unite(u.Strs, c.Conds[pos].Strs), unitePairs(u, c.Conds[pos].Nums)
						changed = true
						continue
					}
					at[k] = len(out)
					c.Conds = slices.Clone(c.Conds)
					out = append(out, c)
				}
				list = out
			}
		}
	}
	return list
}

// isUnion reports whether more values of the condition let more through.
func isUnion(c event.Cond) bool { return !c.Not && c.Op != event.OpLess && c.Op != event.OpGreater }

func unite(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func unitePairs(c *event.Cond, more []uint64) []uint64 {
	out := slices.Clone(c.Nums)
	if c.Op != event.OpBits {
		for _, n := range more {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return out
	}
next:
	for i := 0; i+1 < len(more); i += 2 {
		for j := 0; j+1 < len(out); j += 2 {
			if out[j] == more[i] && out[j+1] == more[i+1] {
				continue next
			}
		}
		out = append(out, more[i], more[i+1])
	}
	return out
}

// conditions says in the sensor's terms what it can of a conjunction, in a fixed order.
func conditions(def *event.Def, conj []*native.Node, text bool) []event.Cond {
	var out []event.Cond
	seen := map[string]bool{}
	for _, n := range conj {
		var c event.Cond
		ok := false
		if n.Op == native.Not {
			c, ok = condition(def, inner(n.Kids[0]), text, true)
			c.Not = true
		} else {
			c, ok = condition(def, n, text, false)
		}
		if k := clauseKey([]event.Cond{c}); ok && !seen[k] {
			seen[k] = true
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b event.Cond) int { return strings.Compare(condKey(a), condKey(b)) })
	return out
}

// inner is what is negated, without that the argument in question be there: a negation of either form holds where it is absent.
func inner(n *native.Node) *native.Node {
	if n.Op == native.And && len(n.Kids) == 2 && n.Kids[0].Op == native.Defined && len(n.Kids[0].Term.Path) == 0 && n.Kids[0].Term.Arg == n.Kids[1].Term.Arg {
		return n.Kids[1]
	}
	return n
}

// taskFields are parts of the document that the sensor knows of a task. All events have them.
var taskFields = map[string]string{
	"processName": "@comm", "userId": "@uid", "hostProcessId": "@pid", "hostThreadId": "@tid", "mountNamespace": "@mntns",
	"pidNamespace": "@pidns", "cgroupId": "@cgroup",
}

var textOps = map[native.Op]event.Op{native.Equal: event.OpEqual, native.Prefix: event.OpPrefix, native.Suffix: event.OpSuffix, native.Contains: event.OpContains}

// condition translates one condition. exact: it must hold on no other event, since it stands below a negation.
func condition(def *event.Def, n *native.Node, text, exact bool) (event.Cond, bool) {
	t := n.Term
	none := event.Cond{}
	if t.Count || t.Wildcard() {
		return none, false
	}
	if t.Arg == "" {
		field, ok := taskFields[strings.Join(t.Path, ".")]
		if !ok || len(t.Funcs) > 0 {
			return none, false
		}
		if field == "@comm" {
			op, ok := textOps[n.Op]
			return event.Cond{Field: field, Op: op, Strs: n.Strs}, ok
		}
		return numbers(field, n, false)
	}
	i := def.Arg(t.Arg)
	if i < 0 {
		return none, false
	}
	a := &def.Args[i]
	switch {
	case a.Kind == event.KindString:
		op, ok := textOps[n.Op]
		return event.Cond{Field: a.Name, Op: op, Strs: n.Strs}, ok && len(t.Funcs) == 0 && len(t.Path) == 0
	case a.Kind == event.KindSockaddr:
		return addressCondition(a.Name, n, text, exact)
	case !a.Kind.Scalar() || a.Kind == event.KindPointer || a.Kind == event.KindBool:
		return none, false
	case a.Enc != event.EncNone:
		return encoded(a, n, exact)
	case len(t.Funcs) > 0:
		return none, false
	}
	return numbers(a.Name, n, a.Kind.Signed())
}

// numbers translates a comparison of a number.
func numbers(field string, n *native.Node, signed bool) (event.Cond, bool) {
	c := event.Cond{Field: field}
	v := int64(0)
	if len(n.Nums) > 0 {
		v = n.Nums[0]
	}
	switch n.Op {
	case native.NumEqual:
		for _, x := range n.Nums {
			if x < 0 && !signed {
				continue // never equal
			}
			c.Nums = append(c.Nums, uint64(x))
		}
		return c, len(c.Nums) > 0
	case native.LessEqual:
		v++ // constants are smaller than the largest number
		c.Op = event.OpLess
	case native.Less:
		c.Op = event.OpLess
	case native.GreaterEqual:
		if v == math.MinInt64 {
			return c, false
		}
		v--
		c.Op = event.OpGreater
	case native.Greater:
		c.Op = event.OpGreater
	default:
		return c, false
	}
	if v < 0 && !signed {
		return c, false
	}
	c.Nums = []uint64{uint64(v)}
	return c, true
}

// addressCondition translates a condition on a part of an address, or on its text.
func addressCondition(name string, n *native.Node, text, exact bool) (event.Cond, bool) {
	none := event.Cond{}
	if len(n.Term.Funcs) > 0 {
		return none, false
	}
	if text {
		if n.Op != native.Contains || exact {
			return none, false
		}
		for _, s := range n.Strs {
			if !onlyInPath(s) {
				return none, false
			}
		}
		return event.Cond{Field: name + ".sun_path", Op: event.OpContains, Strs: n.Strs}, true
	}
	if len(n.Term.Path) != 1 {
		return none, false
	}
	field := name + "." + n.Term.Path[0]
	switch n.Term.Path[0] {
	case "sun_path":
		op, ok := textOps[n.Op]
		return event.Cond{Field: field, Op: op, Strs: n.Strs}, ok
	case "sin_port":
		return event.Cond{Field: field, Op: event.OpEqual, Strs: n.Strs}, n.Op == native.Equal
	case "sin_addr":
		return event.Cond{Field: field, Op: event.OpEqual, Strs: n.Strs}, n.Op == native.Equal
	}
	return none, false
}

// onlyInPath reports whether a text can stand in an address's text nowhere but within the path of an AF_UNIX one: it has a
// letter that no other part has, and nothing of the punctuation around the path.
func onlyInPath(s string) bool {
	const elsewhere = "abcdefsn_milyodrtpw0123456789.:AFUNIXET6"
	return s != "" && !strings.ContainsAny(s, "'{},: ") && strings.ContainsFunc(s, func(r rune) bool {
		return r >= 'a' && r <= 'z' && !strings.ContainsRune(elsewhere, r)
	}) && !strings.Contains("sa_family sun_path sin_addr sin_port sin6_addr sin6_flowinfo sin6_port sin6_scopeid", s)
}

// encoded translates a condition on the text of a number that has names.
func encoded(a *event.Arg, n *native.Node, exact bool) (event.Cond, bool) {
	c := event.Cond{Field: a.Name}
	lower := len(n.Term.Funcs) == 1 && n.Term.Funcs[0].Name == "lower"
	if (len(n.Term.Funcs) > 0 && !lower) || len(n.Term.Path) > 0 {
		return c, false
	}
	fold := func(s string) string {
		if lower {
			return strings.ToLower(s)
		}
		return s
	}
	for _, want := range n.Strs {
		switch {
		case n.Op == native.Equal && !lower:
			v, ok := a.Enc.Number(want)
			if !ok || a.Enc.Text(v) != want {
				continue // no number has this text
			}
			c.Nums = append(c.Nums, v)
		case n.Op == native.Contains && a.Enc.Flags() && !exact:
			// What stands between or after the names could hold the text too.
			if strings.Contains(want, "|") || strings.Trim(want, "0123456789abcdefx") == "" || strings.Contains(fold(a.Enc.Text(0)), want) && !isFlag(a.Enc, a.Enc.Text(0)) {
				return c, false
			}
			c.Op = event.OpBits
			for _, name := range a.Enc.Names() {
				if mask, value, ok := a.Enc.Bits(name); ok && strings.Contains(fold(name), want) {
					c.Nums = append(c.Nums, mask, value)
				}
			}
		default:
			return c, false
		}
	}
	return c, len(c.Nums) > 0
}

func isFlag(e event.Encoding, text string) bool {
	_, _, ok := e.Bits(text)
	return ok
}

var opSigns = [...]string{event.OpEqual: "==", event.OpPrefix: "startswith", event.OpSuffix: "endswith", event.OpContains: "contains", event.OpBits: "&", event.OpLess: "<", event.OpGreater: ">", event.OpCIDR: "in"}

// showClauses writes clauses for people.
func showClauses(def *event.Def, list []event.Clause) string {
	var out []string
	for _, c := range list {
		var conds []string
		for _, x := range c.Conds {
			conds = append(conds, showCond(def, x))
		}
		text := strings.Join(conds, " and ")
		if text == "" {
			text = "every occurrence"
		}
		out = append(out, text+showOrigins(c.Origins))
	}
	return strings.Join(out, " or ")
}

func showCond(def *event.Def, x event.Cond) string {
	number := func(v uint64) string {
		if i := def.Arg(x.Field); i >= 0 && def.Args[i].Enc != event.EncNone {
			return def.Args[i].Enc.Text(v)
		}
		return strconv.FormatUint(v, 10)
	}
	field, sign := x.Field, opSigns[x.Op]
	var values []string
	switch {
	case x.Op == event.OpBits && len(x.Nums) >= 2: // pairs of mask and value
		masks := x.Nums[0]
		for i := 0; i+1 < len(x.Nums); i += 2 {
			if x.Nums[i] != masks {
				masks = 0
			}
		}
		if field, sign = fmt.Sprintf("%s & %#x", x.Field, masks), "=="; masks == 0 {
			field, sign = x.Field, "has bits"
		}
		for i := 0; i+1 < len(x.Nums); i += 2 {
			values = append(values, number(x.Nums[i+1]))
		}
	case x.Strs == nil:
		for _, v := range x.Nums {
			values = append(values, number(v))
		}
	default:
		for _, v := range x.Strs {
			values = append(values, strconv.Quote(v))
		}
	}
	text := "[" + strings.Join(values, " ") + "]"
	switch {
	case len(values) == 1:
		text = values[0]
	case len(values) > 4:
		text = fmt.Sprintf("any of %d", len(values))
	}
	if x.Not {
		return "not " + field + " " + sign + " " + text
	}
	return field + " " + sign + " " + text
}

func showOrigins(o event.Origins) string {
	if o == 0 {
		return ""
	}
	var names []string
	for _, x := range []event.Origin{event.OriginHost, event.OriginContainer, event.OriginContainerInit} {
		if o.Has(x) {
			names = append(names, x.String())
		}
	}
	return " in " + strings.Join(names, ", ")
}

// Selected is what a selection means, written plainly: whether an event satisfies one of its clauses. An argument or part
// that the event does not have satisfies no condition.
func Selected(s event.Selection, ev *event.Event) bool {
	if len(s.Clauses) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Clauses, func(c event.Clause) bool {
		if !c.Origins.Has(ev.Origin()) {
			return false
		}
		for _, cond := range c.Conds {
			if !holds(cond, ev) {
				return false
			}
		}
		return true
	})
}

func holds(c event.Cond, ev *event.Event) bool {
	var texts []string
	var num uint64
	signed, isNum, present := false, false, true
	task := map[string]uint64{"@uid": uint64(ev.UID), "@pid": uint64(ev.HostPID), "@tid": uint64(ev.HostTID), "@mntns": uint64(ev.MntNS), "@pidns": uint64(ev.PidNS), "@cgroup": ev.CgroupID}
	arg, part, _ := strings.Cut(c.Field, ".")
	if v, ok := task[c.Field]; ok {
		num, isNum = v, true
	} else if c.Field == "@comm" {
		texts = []string{ev.CommString()}
	} else if i := ev.Def.Arg(c.Field); i >= 0 {
		present = ev.Has(i)
		if k := ev.Def.Args[i].Kind; k.Scalar() {
			num, isNum, signed = ev.Uint(i), true, k.Signed()
		} else {
			texts = []string{ev.Str(i)}
		}
	} else if i := ev.Def.Arg(arg); i >= 0 && ev.Def.Args[i].Kind == event.KindSockaddr {
		present = false
		for _, f := range ev.Sockaddr(i).Fields() {
			if f.Name == part && ev.Has(i) {
				texts, present = []string{f.Value}, true
			}
		}
		if part == "sin_port" && present && len(c.Strs) == 0 {
			n, _ := strconv.Atoi(texts[0])
			num, isNum = uint64(n), true
		}
	} else {
		return true // not known here: let it through
	}
	if !present {
		return c.Not
	}
	hit := false
	if isNum {
		for i, n := range c.Nums {
			switch c.Op {
			case event.OpEqual:
				hit = hit || num == n
			case event.OpBits:
				hit = hit || i%2 == 0 && num&n == c.Nums[i+1]
			case event.OpLess:
				hit = hit || (signed && int64(num) < int64(n)) || (!signed && num < n)
			case event.OpGreater:
				hit = hit || (signed && int64(num) > int64(n)) || (!signed && num > n)
			}
		}
	} else {
		for _, s := range c.Strs {
			switch c.Op {
			case event.OpEqual:
				hit = hit || texts[0] == s
			case event.OpPrefix:
				hit = hit || strings.HasPrefix(texts[0], s)
			case event.OpSuffix:
				hit = hit || strings.HasSuffix(texts[0], s)
			case event.OpContains:
				hit = hit || strings.Contains(texts[0], s)
			case event.OpCIDR:
				addr, _ := netip.ParseAddr(texts[0]) // an invalid one is in no prefix
				prefix, _ := netip.ParsePrefix(s)
				hit = hit || prefix.Contains(addr)
			}
		}
	}
	return hit != c.Not
}
