package detect

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

var fuzzedRules = flag.Int("rules", 60, "rules that are made at random")

// writer makes Rego rules at random: out of what rules say of events, in both versions of the language, often about a value of
// another type than they think.
type writer struct {
	r       *rand.Rand
	v1      bool
	def     *event.Def
	helpers []string // rules beside tracee_match
	n       int      // names given so far
}

var fuzzedConsts = []string{"/etc/", "/tmp/x", "passwd", ".so", "a", "", "/proc/self/mem", "sh", "-c", "127.0.0.1", "10.0.0.0/8", "80", "AF_UNIX", "AF_INET", "O_WRONLY", "o_rdwr", "é"}

func (w *writer) name(prefix string) string { w.n++; return prefix + strconv.Itoa(w.n) }

func (w *writer) konst() string { return strconv.Quote(pick(w.r, fuzzedConsts)) }

func (w *writer) number() string { return strconv.Itoa(pick(w.r, []int{0, 1, 2, 3, 7, 80, 1000, -1})) }

func (w *writer) set() string {
	out := []string{w.konst()}
	for range w.r.IntN(3) {
		out = append(out, w.konst())
	}
	if w.r.IntN(4) == 0 {
		return "[" + strings.Join(out, ", ") + "]"
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// arg is an argument of the event, of a kind if there is one; sometimes of any kind, and sometimes one that is not there.
func (w *writer) arg(kinds ...event.Kind) string {
	var fit []string
	for i := range w.def.Args {
		a := &w.def.Args[i]
		if len(kinds) == 0 || slices.Contains(kinds, a.Kind) || w.r.IntN(12) == 0 {
			fit = append(fit, a.Name)
		}
	}
	if w.r.IntN(60) == 0 || len(fit) == 0 {
		fit = append(fit, "pathname", "nothing")
	}
	return fmt.Sprintf("helpers.get_tracee_argument(%q)", pick(w.r, fit))
}

// text is an expression that gives a text.
func (w *writer) text() string {
	switch w.r.IntN(14) {
	case 0:
		return "input.processName"
	case 1:
		return "input.executable.path"
	case 2:
		return "input.process.ancestors[0].executable"
	case 3:
		return w.arg(event.KindSockaddr) + "." + pick(w.r, []string{"sun_path", "sa_family", "sin_port", "sin_addr", "sin6_addr"})
	case 4:
		return w.arg(event.KindStrings) + "[" + pick(w.r, []string{"0", "1", "_"}) + "]"
	case 5:
		return "lower(" + w.arg(event.KindString) + ")"
	case 6:
		return fmt.Sprintf("substring(%s, %d, %d)", w.arg(event.KindString), w.r.IntN(3), pick(w.r, []int{-1, 1, 4}))
	case 7:
		return fmt.Sprintf("trim_prefix(%s, %s)", w.arg(event.KindString), w.konst())
	case 8:
		return "input." + pick(w.r, []string{"containerImage", "container.id", "origin", "eventName", "hostName", "process.comm", "process.user", "nothing"})
	case 9:
		return w.arg()
	}
	return w.arg(event.KindString)
}

func (w *writer) num() string {
	switch w.r.IntN(6) {
	case 0:
		return "input." + pick(w.r, []string{"userId", "processId", "returnValue", "process.uid"})
	case 1:
		return "count(" + w.arg(event.KindStrings) + ")"
	}
	return w.arg(event.KindInt32, event.KindInt64, event.KindUint32, event.KindUint64, event.KindUint16)
}

func (w *writer) relation(a string) string {
	f := pick(w.r, []string{"startswith", "endswith", "contains"})
	return fmt.Sprintf("%s(%s, %s)", f, a, w.konst())
}

// member is "x in list", as the version writes it.
func (w *writer) member(x, list string) string {
	if w.v1 {
		return x + " in " + list
	}
	return x + " == " + list + "[_]"
}

// draw says that a new variable is an element of the list.
func (w *writer) draw(list string) (v, expr string) {
	v = w.name("x")
	if w.v1 {
		return v, "some " + v + " in " + list
	}
	return v, v + " := " + list + "[_]"
}

// atom is one condition, which may be negated.
func (w *writer) atom() string {
	switch w.r.IntN(14) {
	case 0, 1:
		return w.relation(w.text())
	case 2:
		return w.text() + pick(w.r, []string{" == ", " == ", " != "}) + w.konst()
	case 3:
		return w.member(w.text(), w.set())
	case 4, 5:
		return w.num() + pick(w.r, []string{" == ", " != ", " < ", " <= ", " > ", " >= "}) + w.number()
	case 6:
		return fmt.Sprintf("bits.and(%s, %d) %s 0", w.num(), 1+w.r.IntN(4), pick(w.r, []string{"==", "!="}))
	case 7:
		return fmt.Sprintf("helpers.%s(%s)", pick(w.r, []string{"is_file_write", "is_file_read"}), w.arg(event.KindInt32, event.KindUint32))
	case 8:
		return fmt.Sprintf("regex.match(`%s`, %s)", pick(w.r, []string{`^/proc/(\d+|self)/`, `\.so(\.\d+)*$`, `sh$|^/tmp`, `a.c`}), w.text())
	case 9:
		return w.text() + " == " + w.text()
	case 10:
		return fmt.Sprintf("net.cidr_contains(\"10.0.0.0/8\", %s)", w.text())
	case 11:
		return w.text() + fmt.Sprintf(" == sprintf(\"/proc/%%d/%s\", [%s])", pick(w.r, []string{"mem", "x", ""}), w.num())
	case 12:
		return w.helper()
	}
	return w.arg()
}

// helper is a call of a rule or function beside tracee_match.
func (w *writer) helper() string {
	if len(w.helpers) > 6 {
		return w.relation(w.text())
	}
	f := w.name("f")
	iff := func(head, body string) {
		if w.v1 {
			head += " if"
		}
		w.helpers = append(w.helpers, head+" {\n\t"+body+"\n}")
	}
	switch w.r.IntN(6) {
	case 0: // a function of one text
		iff(f+"(p)", w.relation("p"))
		if w.r.IntN(2) == 0 {
			iff(f+"(p)", "p == "+w.konst())
		}
		return f + "(" + w.text() + ")"
	case 1: // one that says false itself
		// Both at once would be an error of OPA's, even where the rest of the rule says no: then there is no right answer.
		says := w.relation("p")
		iff(f+"(p) = true", says)
		iff(f+"(p) = false", "not "+says)
		return f + "(" + w.text() + ")" + pick(w.r, []string{"", " == true", " == false"})
	case 2: // a rule of several bodies
		iff(f, w.body(2))
		iff(f, w.body(1))
		return f
	case 3: // … with a default
		w.helpers = append(w.helpers, "default "+f+" = false")
		iff(f, w.body(1))
		return f + pick(w.r, []string{"", " == false", " == true"})
	case 4: // a value
		head, other := f+" = \"one\"", " else = \"two\""
		if w.v1 {
			head, other = f+" := \"one\" if", " else := \"two\" if"
		}
		w.helpers = append(w.helpers, head+" {\n\t"+w.atom()+"\n}"+other+" {\n\t"+w.atom()+"\n}")
		return f + " == " + pick(w.r, []string{`"one"`, `"two"`})
	}
	head := f + "[x]" // a partial set
	if w.v1 {
		head = f + " contains x"
	}
	iff(head, "x := "+w.text()+"\n\t"+w.relation("x"))
	return pick(w.r, []string{"count(" + f + ") > 0", w.member(w.konst(), f)})
}

// step is a condition that may take several expressions.
func (w *writer) step() string {
	switch w.r.IntN(12) {
	case 0, 1, 2:
		return "not " + w.atom()
	case 3: // one of a list is related to the text
		v, expr := w.draw(w.set())
		return expr + "\n\t" + fmt.Sprintf("%s(%s, %s)", pick(w.r, []string{"startswith", "endswith", "contains"}), w.text(), v)
	case 4: // an element of the event's list, about which two things hold
		v, expr := w.draw(w.arg(event.KindStrings))
		out := expr + "\n\t" + w.relation(v)
		if w.r.IntN(2) == 0 {
			out += "\n\t" + pick(w.r, []string{"", "not "}) + w.relation(v)
		}
		return out
	case 5:
		v, expr := w.draw("input.process.ancestors")
		return expr + "\n\t" + w.relation(v+".executable")
	case 6:
		v, expr := w.draw(w.arg(event.KindStrings))
		return fmt.Sprintf("count([%s | %s; %s]) %s %d", v, expr, w.relation(v), pick(w.r, []string{">", "==", "<="}), w.r.IntN(2))
	case 7:
		if w.v1 {
			v := w.name("x")
			return fmt.Sprintf("every %s in %s { %s%s }", v, w.arg(event.KindStrings), pick(w.r, []string{"", "not "}), w.relation(v))
		}
	case 8:
		v := w.name("v")
		return v + " := " + w.text() + "\n\t" + pick(w.r, []string{"", "not "}) + w.relation(v) + "\n\t" + v + " != " + w.konst()
	case 9:
		return w.helper()
	}
	return w.atom()
}

func (w *writer) body(steps int) string {
	out := make([]string, steps)
	for i := range out {
		out[i] = w.step()
	}
	return strings.Join(out, "\n\t")
}

// rule is a whole file.
func (w *writer) rule(id string) string {
	var b strings.Builder
	b.WriteString("package fuzzed." + id + "\n\n")
	if w.v1 {
		b.WriteString("import rego.v1\n\n")
	}
	b.WriteString("import data.tracee.helpers\n\n__rego_metadoc__ := {\"id\": \"" + id + "\", \"properties\": {\"Severity\": 1}}\n\n")
	selector := fmt.Sprintf(`{"source": "tracee", "name": %q, "origin": %q}`, w.def.Name, pick(w.r, []string{"*", "*", "host", "container"}))
	if w.v1 {
		b.WriteString("tracee_selected_events contains " + selector + "\n\n")
	} else {
		b.WriteString("tracee_selected_events[s] {\n\ts := " + selector + "\n}\n\n")
	}
	for range 1 + w.r.IntN(3) {
		body := w.body(pick(w.r, []int{1, 1, 2, 2, 3}))
		head := "tracee_match"
		switch w.r.IntN(4) {
		case 0:
			head += " = {\"found\": " + pick(w.r, []string{"1", `"x"`, "true"}) + "}"
		case 1, 2:
			v := w.name("v")
			head += " = {\"value\": " + v + ", \"k\": " + w.konst() + "}"
			body = v + " := " + pick(w.r, []func() string{w.text, w.num, func() string { return w.arg() }})() + "\n\t" + body
		}
		if w.v1 {
			head = strings.Replace(head, " = ", " := ", 1) + " if"
		}
		b.WriteString(head + " {\n\t" + body + "\n}\n\n")
	}
	b.WriteString(strings.Join(w.helpers, "\n\n") + "\n")
	return b.String()
}

// randomRules makes rules at random until n load.
func randomRules(t testing.TB, seed uint64, n int) []*regoRule {
	r := rand.New(rand.NewPCG(seed, 7))
	var defs []*event.Def
	for i := range event.All() {
		if d := &event.All()[i]; len(d.Args) > 0 {
			defs = append(defs, d)
		}
	}
	var out []*regoRule
	refused := 0
	for tries := 0; len(out) < n; tries++ {
		w := &writer{r: r, v1: r.IntN(2) == 0, def: pick(r, defs)}
		id := fmt.Sprintf("F%d_%d", seed, tries)
		text := w.rule(id)
		rules, errs := Load(memory(map[string]string{id + ".rego": text}))
		if len(errs) > 0 {
			if refused++; refused > 20+tries/4 {
				t.Fatalf("%d of %d rules do not load, the last one: %v\n%s", refused, tries, errs[0], text)
			}
			continue
		}
		out = append(out, rules[0].(*regoRule))
	}
	t.Logf("%d rules; %d more were no Rego", n, refused)
	return out
}

// TestFuzzedRules holds the compiled forms of rules that nobody wrote equal to OPA's evaluator.
func TestFuzzedRules(t *testing.T) {
	const eachRule = 200
	rules := randomRules(t, *seed, *fuzzedRules)
	total, hits, fired, exact := 0, 0, 0, 0
	for i, r := range rules {
		g := newGenerator(*seed+uint64(i)<<20, r)
		d := newDifference(r)
		for n := range eachRule {
			o := g.next()
			hit, err := d.check(t, o)
			if err == nil && n%5 == 3 {
				total++
				err = d.foreign(t, g, o)
			}
			if total++; err != nil {
				t.Errorf("%v\n%s", err, source(r))
				break
			}
			if hit {
				hits++
				g.matched(o)
			}
		}
		if len(g.hits) > 0 {
			fired++
		}
		if d.exact() {
			exact++
		}
	}
	t.Logf("%d checks, %d matches; %d of %d rules fired, %d exact", total, hits, fired, len(rules), exact)
	if fired < len(rules)/3 {
		t.Errorf("only %d of %d rules fired", fired, len(rules))
	}
}

func source(r *regoRule) string {
	return string(r.policy.Module().Package.Location.Text) + r.policy.Module().String()
}
