package detect

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"regexp/syntax"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/event"
)

// occurrence is an event that a test can change and build anew.
type occurrence struct {
	def       *event.Def
	origin    event.Origin
	args      map[string]any
	comm      string
	uid, pid  uint32
	ret       int64
	exe       string
	image     string
	ancestors []string
	procArgs  []string
}

func (o occurrence) clone() occurrence {
	o.args = maps.Clone(o.args)
	o.ancestors, o.procArgs = slices.Clone(o.ancestors), slices.Clone(o.procArgs)
	return o
}

func (o *occurrence) build() *event.Event {
	b := event.New(o.def)
	h := b.Header()
	h.Timestamp, h.HostPID, h.PID, h.UID, h.EUID, h.Return = 1700000000123456789, o.pid+1000, o.pid, o.uid, o.uid, o.ret
	h.SetComm(o.comm)
	for name, v := range o.args {
		if err := b.Set(name, v); err != nil {
			panic(err)
		}
	}
	ev := b.Event()
	if o.origin != event.OriginHost {
		ev.Container = &event.Container{ID: "abcd", Image: o.image}
		ev.Flags |= event.FlagContainer
		if o.origin == event.OriginContainer {
			ev.Flags |= event.FlagContainerStarted
		}
	}
	if o.exe != "" || len(o.ancestors) > 0 || len(o.procArgs) > 0 {
		ev.Process = &event.Process{PID: 7, Comm: o.comm, Executable: o.exe, Args: o.procArgs, UID: o.uid}
		for i, a := range o.ancestors {
			p := &event.Process{PID: uint32(i), Executable: a, Comm: "sh", StartTime: 5}
			if ev.Container != nil {
				p.ContainerID = ev.Container.ID
			}
			ev.Process.Ancestors = append(ev.Process.Ancestors, p)
		}
	}
	return ev
}

// generator makes events out of the constants of one rule.
type generator struct {
	r    *rand.Rand
	strs []string
	nums []int64
	defs []*event.Def
	orig map[*event.Def]event.Origins
	// bodies are the conjunctions that the rule was compiled to, by definition.
	bodies map[*event.Def][][]*native.Node
	whole  *native.Node
	hits   []occurrence // events that the rule matched: to be mutated
}

func newGenerator(seed uint64, r *regoRule) *generator {
	g := &generator{r: rand.New(rand.NewPCG(seed, 1)), orig: map[*event.Def]event.Origins{}, bodies: map[*event.Def][][]*native.Node{}}
	seen := map[string]bool{}
	collect := func(x any) {
		ast.WalkTerms(x, func(t *ast.Term) bool {
			switch v := t.Value.(type) {
			case ast.String:
				if !seen[string(v)] && len(v) < 200 {
					seen[string(v)] = true
					g.strs = append(g.strs, string(v))
					if re, err := syntax.Parse(string(v), syntax.Perl); err == nil && re.Op != syntax.OpLiteral {
						g.strs = append(g.strs, sample(re))
					}
				}
			case ast.Number:
				if n, ok := v.Int64(); ok {
					g.nums = append(g.nums, n)
				}
			}
			return false
		})
	}
	for _, rule := range r.policy.Module().Rules {
		if n := rule.Head.Ref()[0].Value.String(); n != "__rego_metadoc__" && n != "eventSelectors" && n != "tracee_selected_events" {
			collect(rule)
		}
	}
	var consts func(n *native.Node)
	consts = func(n *native.Node) {
		for _, s := range n.Strs {
			if !seen[s] {
				seen[s] = true
				g.strs = append(g.strs, s)
			}
		}
		g.nums = append(g.nums, n.Nums...)
		for _, k := range n.Kids {
			consts(k)
		}
	}
	g.whole = r.condition()
	consts(g.whole)
	g.strs = append(g.strs, "", "x", "/etc/passwd", "straße", "\xff\xfe", "a\xc3", "ABC")
	g.nums = append(g.nums, 0, 1, -1, 2, 7, 1000)
	for def, o := range selectedDefs(r) {
		g.defs = append(g.defs, def)
		g.orig[def] = o
		b := native.NewBuilder(def, event.OriginContainer)
		if c := b.Add(0, r.condition(), r.policy.AddressText); len(c.Any) > 0 {
			g.bodies[def] = c.Any
		}
	}
	return g
}

// selectedDefs yields the events that the rule selects, with their origins. A plain system call is selected by its name alone.
func selectedDefs(r *regoRule) iter.Seq2[*event.Def, event.Origins] {
	named := func(name string) bool {
		return slices.ContainsFunc(r.Selectors(), func(s Selector) bool { return s.Name == name })
	}
	return func(yield func(*event.Def, event.Origins) bool) {
		for n, defs := range [][]event.Def{event.All(), event.Syscalls()} {
			for i := range defs {
				o, ok := originsOf(r.Selectors(), defs[i].Name)
				if ok && (n == 0 || named(defs[i].Name)) && !yield(&defs[i], o) {
					return
				}
			}
		}
	}
}

// sample is a text that a pattern matches, unless it is subtle.
func sample(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i] <= 'a' && 'a' <= re.Rune[i+1] {
				return "a"
			}
		}
		if len(re.Rune) > 0 {
			return string(re.Rune[:1])
		}
	case syntax.OpRepeat:
		return strings.Repeat(sample(re.Sub[0]), max(re.Min, 1))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpAlternate:
		return sample(re.Sub[len(re.Sub)-1])
	case syntax.OpPlus, syntax.OpCapture:
		return sample(re.Sub[0])
	case syntax.OpConcat:
		var s string
		for _, sub := range re.Sub {
			s += sample(sub)
		}
		return s
	}
	return ""
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// text is a constant, often bent.
func (g *generator) text() string {
	s := pick(g.r, g.strs)
	switch g.r.IntN(12) {
	case 0:
		return s + pick(g.r, g.strs)
	case 1:
		return pick(g.r, []string{"/", "a", "/tmp", "é"}) + s
	case 2:
		return s + pick(g.r, []string{"/", "a", ".txt", "é", "\xff"})
	case 3:
		if s != "" {
			return s[:g.r.IntN(len(s))]
		}
	case 4:
		return strings.ToUpper(s)
	case 5:
		return pick(g.r, g.strs) + "/" + s
	case 6:
		if s != "" {
			i := g.r.IntN(len(s))
			return s[:i] + "z" + s[i+1:]
		}
	}
	return s
}

func clean(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func (g *generator) num() int64 {
	if g.r.IntN(8) == 0 {
		return int64(g.r.Uint64())
	}
	return pick(g.r, g.nums) + int64(pick(g.r, []int{0, 0, 0, 1, -1}))
}

func (g *generator) list() []string {
	out := make([]string, g.r.IntN(5))
	for i := range out {
		out[i] = clean(g.text())
	}
	return out
}

func (g *generator) address() event.Sockaddr {
	switch g.r.IntN(5) {
	case 0, 1:
		p := clean(g.text())
		return event.Sockaddr{Family: event.AFUnix, Path: p[:min(len(p), 100)]}
	case 2:
		return event.Sockaddr{Family: event.AFInet, Addr: g.ip(false), Port: g.port()}
	case 3:
		return event.Sockaddr{Family: event.AFInet6, Addr: g.ip(true), Port: g.port()}
	}
	return event.Sockaddr{Family: uint16(g.r.IntN(50))}
}

func (g *generator) ip(six bool) netip.Addr {
	for range 10 {
		if a, err := netip.ParseAddr(g.text()); err == nil && (a.Is6() && !a.Is4In6()) == six {
			return a
		}
	}
	if six {
		return netip.MustParseAddr(pick(g.r, []string{"::1", "fd00:ec2::254", "::ffff:127.0.0.1"}))
	}
	return netip.MustParseAddr(pick(g.r, []string{"127.0.0.1", "10.0.0.1", "0.0.0.0"}))
}

func (g *generator) port() uint16 {
	for range 10 {
		var p uint16
		if _, err := fmt.Sscan(g.text(), &p); err == nil {
			return p
		}
	}
	return uint16(g.num())
}

// document is JSON of some shape, with constants as keys and values.
func (g *generator) document(depth int) any {
	switch g.r.IntN(6) {
	case 0, 1:
		return strings.ToValidUTF8(g.text(), "?")
	case 2:
		return g.num()
	case 3:
		return pick(g.r, []any{true, false, nil, 1.5})
	case 4:
		if depth > 0 {
			out := make([]any, g.r.IntN(3))
			for i := range out {
				out[i] = g.document(depth - 1)
			}
			return out
		}
	}
	out := map[string]any{}
	for range g.r.IntN(3) + 1 {
		var v any = strings.ToValidUTF8(g.text(), "?")
		if depth > 0 {
			v = g.document(depth - 1)
		}
		out[strings.ToValidUTF8(pick(g.r, g.strs), "?")] = v
	}
	return out
}

// arg makes a value that fits the argument.
func (g *generator) arg(a *event.Arg) any {
	switch {
	case a.Kind == event.KindString:
		return clean(g.text())
	case a.Kind == event.KindStrings:
		return g.list()
	case a.Kind == event.KindSockaddr:
		return g.address()
	case a.Kind == event.KindBytes:
		return []byte(pick(g.r, []string{"\x7fELF\x02", "\x7felf", "éelf", "#!/bin/sh", "", g.text()}))
	case a.Kind == event.KindJSON:
		raw, err := json.Marshal(pick(g.r, []any{g.document(2), []any{g.document(1), g.document(1)}}))
		if err != nil {
			panic(err)
		}
		return raw
	case a.Kind == event.KindCred:
		var b []byte
		for i := range 15 {
			v := pick(g.r, []uint64{0, 0, 1000, uint64(g.num())})
			if i == 8 {
				v = pick(g.r, []uint64{4026531837, 4026531837, 5})
			}
			if i < 10 {
				b = binary.NativeEndian.AppendUint32(b, uint32(v))
			} else {
				b = binary.NativeEndian.AppendUint64(b, v)
			}
		}
		return b
	case a.Enc != event.EncNone:
		if a.Enc.Flags() || g.r.IntN(3) > 0 {
			names := a.Enc.Names()
			if len(names) > 0 && g.r.IntN(10) > 0 {
				v := uint64(0)
				for range 1 + g.r.IntN(3) {
					n, ok := a.Enc.Number(pick(g.r, names))
					if ok && (a.Enc.Flags() || v == 0) {
						v |= n
					}
				}
				return g.fit(a, v)
			}
		}
		if v, ok := a.Enc.Number(pick(g.r, g.strs)); ok {
			return g.fit(a, v)
		}
		return g.fit(a, uint64(g.r.IntN(1<<10)))
	}
	return g.fit(a, uint64(g.num()))
}

// fit cuts a number to the argument's type, as the kernel half does.
func (g *generator) fit(a *event.Arg, v uint64) uint64 {
	switch a.Kind {
	case event.KindInt32:
		return uint64(int64(int32(v)))
	case event.KindUint16:
		return uint64(uint16(v))
	case event.KindUint32:
		return uint64(uint32(v))
	case event.KindBool:
		return v & 1
	}
	return v
}

func (g *generator) random() occurrence {
	def := pick(g.r, g.defs)
	o := occurrence{def: def, args: map[string]any{}}
	for {
		o.origin = event.Origin(g.r.IntN(3))
		if g.orig[def].Has(o.origin) || g.r.IntN(20) == 0 {
			break
		}
	}
	for i := range def.Args {
		if g.r.IntN(8) > 0 {
			o.args[def.Args[i].Name] = g.arg(&def.Args[i])
		}
	}
	o.header(g)
	return o
}

func (o *occurrence) header(g *generator) {
	comm := clean(g.text())
	o.comm = comm[:min(len(comm), 15)]
	o.uid, o.pid, o.ret = uint32(g.num()), uint32(g.num()), g.num()
	if g.r.IntN(3) > 0 {
		o.exe = strings.ToValidUTF8(g.text(), "?")
	}
	o.image = strings.ToValidUTF8(g.text(), "?")
	for range g.r.IntN(3) {
		o.ancestors = append(o.ancestors, strings.ToValidUTF8(g.text(), "?"))
	}
	if g.r.IntN(3) == 0 {
		for _, s := range g.list() {
			o.procArgs = append(o.procArgs, strings.ToValidUTF8(s, "?"))
		}
	}
}

// mutate changes one thing.
func (g *generator) mutate(o occurrence) occurrence {
	o = o.clone()
	switch n := g.r.IntN(len(o.def.Args) + 3); {
	case n < len(o.def.Args):
		a := &o.def.Args[n]
		switch v := o.args[a.Name].(type) {
		case string:
			switch g.r.IntN(4) {
			case 0:
				o.args[a.Name] = v + pick(g.r, []string{"x", "/", "é", "\xff"})
				return o
			case 1:
				o.args[a.Name] = pick(g.r, []string{"x", "/", "é", "\xff"}) + v
				return o
			}
		case []string:
			if g.r.IntN(2) == 0 {
				o.args[a.Name] = append(slices.Clone(v), clean(g.text()))
				return o
			}
		}
		if g.r.IntN(4) == 0 {
			delete(o.args, a.Name)
		} else {
			o.args[a.Name] = g.arg(a)
		}
	case n == len(o.def.Args):
		o.origin = event.Origin(g.r.IntN(3))
	default:
		x := occurrence{}
		x.header(g)
		switch g.r.IntN(5) {
		case 0:
			o.comm = x.comm
		case 1:
			o.uid, o.pid = x.uid, x.pid
		case 2:
			o.exe = x.exe
		case 3:
			o.ancestors = x.ancestors
		default:
			o.image, o.procArgs = x.image, x.procArgs
		}
	}
	return o
}

// directed makes an event that satisfies what it can of one of the rule's conjunctions.
func (g *generator) directed() (occurrence, bool) {
	o := g.random()
	bodies := g.bodies[o.def]
	if len(bodies) == 0 {
		return o, false
	}
	for _, n := range pick(g.r, bodies) {
		g.satisfy(&o, n)
	}
	if slices.ContainsFunc(o.def.Args, func(a event.Arg) bool { return a.Kind == event.KindJSON }) {
		g.satisfy(&o, g.whole) // what is inside documents is in no conjunction: OPA looks at them
	}
	return o, true
}

func (g *generator) satisfy(o *occurrence, n *native.Node) {
	if n.Op == native.Or {
		g.satisfy(o, pick(g.r, n.Kids))
		return
	}
	if n.Op == native.And {
		for _, k := range n.Kids {
			g.satisfy(o, k)
		}
		return
	}
	if a := o.def.Arg(n.Term.Arg); a >= 0 && o.def.Args[a].Kind == event.KindJSON {
		g.satisfyDocument(o, n)
		return
	}
	if n.Op == native.Any {
		kids := []*native.Node{n.Kids[0]}
		if n.Kids[0].Op == native.And {
			kids = n.Kids[0].Kids
		}
		el := native.Node{Op: native.Equal, Term: n.Term, Strs: []string{""}}
		for _, k := range kids {
			for k.Op == native.Or || k.Op == native.And {
				k = pick(g.r, k.Kids)
			}
			if len(k.Strs) == 0 {
				continue
			}
			switch c := pick(g.r, k.Strs); k.Op {
			case native.Equal:
				el.Strs[0] = c
			case native.Prefix:
				el.Strs[0] = c + el.Strs[0]
			case native.Regex:
				el.Strs[0] += clean(g.text())
			default:
				el.Strs[0] += c
			}
		}
		g.satisfy(o, &el)
		return
	}
	i := -1
	if n.Term.Arg != "" {
		i = o.def.Arg(n.Term.Arg)
	}
	if n.Op == native.Defined || n.Op == native.Truthy {
		if i >= 0 && o.args[n.Term.Arg] == nil {
			o.args[n.Term.Arg] = g.arg(&o.def.Args[i])
		}
		return
	}
	if n.Op >= native.NumEqual && n.Op <= native.GreaterEqual && len(n.Nums) > 0 {
		v := pick(g.r, n.Nums) + map[native.Op]int64{native.Less: -1, native.Greater: 1}[n.Op]
		switch {
		case i >= 0 && n.Term.Count && o.def.Args[i].Kind == event.KindStrings:
			list := g.list()
			for int64(len(list)) < min(v, 10) {
				list = append(list, clean(g.text()))
			}
			o.args[n.Term.Arg] = list[:min(max(int(v), 0), len(list))]
		case i >= 0 && o.def.Args[i].Kind == event.KindCred && len(n.Term.Path) == 1:
			b, _ := o.args[n.Term.Arg].([]byte)
			if at := slices.Index(event.CredFields[:], n.Term.Path[0]); at >= 0 && at < 10 && len(b) == 80 {
				b = slices.Clone(b)
				binary.NativeEndian.PutUint32(b[4*at:], uint32(v))
				o.args[n.Term.Arg] = b
			}
		case i >= 0 && o.def.Args[i].Kind.Scalar() && o.def.Args[i].Enc == event.EncNone:
			o.args[n.Term.Arg] = g.fit(&o.def.Args[i], uint64(v))
		case slices.Equal(n.Term.Path, []string{"userId"}):
			o.uid = uint32(v)
		case slices.Equal(n.Term.Path, []string{"processId"}):
			o.pid = uint32(v)
		case slices.Equal(n.Term.Path, []string{"returnValue"}):
			o.ret = v
		}
		return
	}
	if len(n.Strs) == 0 {
		return
	}
	s := pick(g.r, n.Strs)
	more := clean(pick(g.r, g.strs))
	switch n.Op {
	case native.Prefix:
		s += more
	case native.Suffix:
		s = more + s
	case native.Contains:
		s = more + s + more
	}
	s = strings.ReplaceAll(s, "\x00", "")
	path := strings.Join(n.Term.Path, ".")
	if i < 0 {
		switch {
		case path == "processName":
			o.comm = s[:min(len(s), 15)]
		case path == "executable.path", path == "process.executable":
			o.exe = s
		case path == "containerImage", path == "container.image":
			o.image = s
		case strings.HasPrefix(path, "process.ancestors."):
			o.ancestors = append(o.ancestors, s)
		case strings.HasPrefix(path, "process.args."):
			o.procArgs = append(o.procArgs, s)
		}
		return
	}
	a := &o.def.Args[i]
	old, _ := o.args[a.Name].(string)
	switch {
	case a.Kind == event.KindString:
		switch n.Op { // let several conditions on one text hold together
		case native.Suffix, native.Contains:
			s = old + s
		}
		o.args[a.Name] = s
	case a.Kind == event.KindStrings:
		list, _ := o.args[a.Name].([]string)
		list = slices.Clone(list)
		if k := strings.TrimSuffix(strings.TrimPrefix(path, "["), "]"); k == "0" && len(list) > 0 {
			list[0] = s
		} else {
			list = append(list, s)
		}
		o.args[a.Name] = list
	case a.Kind == event.KindBytes:
		o.args[a.Name] = []byte("\x7f" + s)
	case a.Kind == event.KindSockaddr:
		switch {
		case path == "sun_path" || path == "":
			o.args[a.Name] = event.Sockaddr{Family: event.AFUnix, Path: s[:min(len(s), 100)]}
		case path == "sa_family":
			f, _ := event.EncSocketDomain.Number(s)
			sa, _ := o.args[a.Name].(event.Sockaddr)
			sa.Family = uint16(f)
			if !sa.Addr.IsValid() || sa.Addr.Is6() != (f == event.AFInet6) {
				sa.Addr = g.ip(f == event.AFInet6)
			}
			o.args[a.Name] = sa
		case strings.HasPrefix(path, "sin"):
			fam := uint16(event.AFInet)
			if strings.HasPrefix(path, "sin6") {
				fam = event.AFInet6
			}
			sa, _ := o.args[a.Name].(event.Sockaddr)
			sa.Family = fam
			var p uint16
			if _, err := fmt.Sscan(s, &p); err == nil && strings.HasSuffix(path, "port") {
				sa.Port = p
			}
			if ip, err := netip.ParseAddr(s); err == nil {
				sa.Addr = ip
			}
			o.args[a.Name] = sa
		}
	case a.Enc != event.EncNone:
		for _, name := range a.Enc.Names() {
			if strings.Contains(strings.ToLower(name), strings.ToLower(pick(g.r, n.Strs))) {
				v, _ := a.Enc.Number(name)
				o.args[a.Name] = g.fit(a, v)
				return
			}
		}
	}
}

// satisfyDocument is satisfy for an argument that is a document.
func (g *generator) satisfyDocument(o *occurrence, n *native.Node) {
	if n.Op != native.Any && len(n.Term.Path) == 0 && o.args[n.Term.Arg] != nil {
		return
	}
	var doc any
	if raw, ok := o.args[n.Term.Arg].([]byte); ok && json.Unmarshal(raw, &doc) != nil {
		doc = nil
	}
	for _, name := range written[n.Term.Arg] {
		if at(doc, []string{name}) == nil {
			doc = put(doc, []string{name}, strings.ToValidUTF8(g.text(), "?"))
		}
	}
	if n.Op == native.Any {
		doc = put(doc, n.Term.Path, g.setMember(at(doc, n.Term.Path), n.Kids[0]))
	} else {
		doc = g.setMember(doc, n)
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	o.args[n.Term.Arg] = raw
}

// written are members that the sensor always writes: rules tell them without asking for them.
var written = map[string][]string{"http_request": {"method", "protocol", "host", "uri_path"}}

// setMember returns v changed so that the condition may hold.
func (g *generator) setMember(v any, n *native.Node) any {
	switch {
	case n.Op == native.Or:
		return g.setMember(v, pick(g.r, n.Kids))
	case n.Op == native.And:
		for _, k := range n.Kids {
			v = g.setMember(v, k)
		}
		return v
	case n.Op < native.Defined:
		return v
	case len(n.Nums) > 0:
		num := pick(g.r, n.Nums) + int64(g.r.IntN(3)-1)
		if n.Term.Count {
			return put(v, n.Term.Path, make([]string, min(max(num, 0), 9)))
		}
		return put(v, n.Term.Path, num)
	}
	had := at(v, n.Term.Path)
	old, isText := had.(string)
	var s string
	if len(n.Strs) > 0 {
		s = pick(g.r, n.Strs)
	}
	switch {
	case n.Op == native.Regex:
		if re, err := syntax.Parse(s, syntax.Perl); err == nil {
			s = sample(re)
		}
	case n.Op == native.Prefix:
		s += old
	case n.Op == native.Suffix, n.Op == native.Contains:
		s = old + s
	case n.Op == native.Equal:
	case had != nil && !isText:
		return v
	case had == nil:
		s = g.text()
	default:
		s = old
	}
	return put(v, n.Term.Path, strings.ToValidUTF8(s, "?"))
}

// at returns what is at a path of a document: members, and the first element of a list.
func at(v any, path []string) any {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			if len(x) == 0 {
				return nil
			}
			v = x[0]
		default:
			return nil
		}
	}
	return v
}

// put returns v with a value at a path.
func put(v any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	if path[0][0] == '[' {
		list, _ := v.([]any)
		if len(list) == 0 {
			list = []any{nil}
		}
		list[0] = put(list[0], path[1:], value)
		return list
	}
	object, _ := v.(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	object[path[0]] = put(object[path[0]], path[1:], value)
	return object
}

// next makes the next event to try.
func (g *generator) next() occurrence {
	if len(g.hits) > 0 && g.r.IntN(3) > 0 {
		return g.mutate(pick(g.r, g.hits))
	}
	if g.r.IntN(3) > 0 {
		if o, ok := g.directed(); ok {
			return o
		}
	}
	return g.random()
}

// matched remembers an event that the rule matched.
func (g *generator) matched(o occurrence) {
	if len(g.hits) < 64 {
		g.hits = append(g.hits, o)
	} else {
		g.hits[g.r.IntN(len(g.hits))] = o
	}
}

// memory is a source of files in memory.
func memory(files map[string]string) Source {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Source{FS: m, Name: "rules"}
}
