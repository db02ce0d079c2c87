package importer

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// token is a word, an operator, a parenthesis or a comma; quoted words are values.
type token struct {
	text   string
	quoted bool
}

func lex(s string) []token {
	var out []token
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')' || c == ',':
			out = append(out, token{text: string(c)})
			i++
		case c == '"' || c == '\'':
			j := i + 1
			var b strings.Builder
			for j < len(s) && s[j] != c {
				if s[j] == '\\' && j+1 < len(s) && (s[j+1] == c || s[j+1] == '\\') {
					j++
				}
				b.WriteByte(s[j])
				j++
			}
			out = append(out, token{b.String(), true})
			i = j + 1
		case strings.ContainsRune("=!<>", rune(c)):
			j := i + 1
			if j < len(s) && s[j] == '=' {
				j++
			}
			out = append(out, token{text: s[i:j]})
			i = j
		default:
			j := i
			for j < len(s) && !strings.ContainsRune(" \t\r\n(),=!<>\"'", rune(s[j])) {
				if s[j] == '[' { // proc.aname[2], evt.arg[1]
					for j < len(s) && s[j] != ']' {
						j++
					}
				}
				j++
			}
			j = min(j, len(s))
			out = append(out, token{text: s[i:j]})
			i = j
		}
	}
	return out
}

// maxMacroDepth bounds macros within macros.
const maxMacroDepth = 32

// parse reads a condition, with macros in place.
func (f *falco) parse(text string) *node {
	p := &falcoParser{f: f, toks: lex(text)}
	n := p.or()
	if !f.broken && p.i < len(p.toks) {
		return f.stop("condition: unexpected %q", p.toks[p.i].text)
	}
	return n
}

type falcoParser struct {
	f    *falco
	toks []token
	i    int
}

func (p *falcoParser) peek() string {
	if p.i < len(p.toks) && !p.toks[p.i].quoted {
		return p.toks[p.i].text
	}
	return ""
}

func (p *falcoParser) next() token {
	if p.i >= len(p.toks) {
		p.f.stop("condition: it ends too soon")
		return token{}
	}
	t := p.toks[p.i]
	p.i++
	return t
}

func (p *falcoParser) or() *node {
	n := p.and()
	for p.peek() == "or" && !p.f.broken {
		p.i++
		n = or(n, p.and())
	}
	return n
}

func (p *falcoParser) and() *node {
	n := p.not()
	for p.peek() == "and" && !p.f.broken {
		p.i++
		n = and(n, p.not())
	}
	return n
}

func (p *falcoParser) not() *node {
	if p.f.broken {
		return truth(false)
	}
	switch p.peek() {
	case "not":
		p.i++
		return not(p.not())
	case "(":
		p.i++
		n := p.or()
		if p.next().text != ")" {
			return p.f.stop("condition: a parenthesis is not closed")
		}
		return n
	}
	return p.comparison()
}

var falcoOps = map[string]string{
	"=": "=", "==": "=", "!=": "!=", "in": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "contains": "contains", "icontains": "icontains",
	"startswith": "startswith", "endswith": "endswith", "glob": "glob", "iglob": "iglob", "pmatch": "pmatch", "exists": "exists", "regex": "regex", "intersects": "=",
}

func (p *falcoParser) comparison() *node {
	name := p.next().text
	op, ok := falcoOps[p.peek()]
	if !ok {
		text, isMacro := p.f.macros[name]
		switch {
		case isMacro && p.f.depth < maxMacroDepth:
			p.f.depth++
			n := p.f.parse(text)
			p.f.depth--
			return n
		case isMacro:
			return p.f.stop("macro %s refers to itself", name)
		case p.peek() == "" || p.peek() == "and" || p.peek() == "or" || p.peek() == ")":
			return p.f.fail("macro %q is not in the files: give the file that defines it first", name)
		}
		return p.f.stop("operator %q of field %s", p.peek(), name)
	}
	p.i++
	var values []string
	if op != "exists" {
		values = p.values()
	}
	if p.f.broken {
		return truth(false)
	}
	return p.f.compare(name, op, values)
}

// values reads one value, or a list in parentheses in which names of lists stand for their items.
func (p *falcoParser) values() []string {
	t := p.next()
	if t.quoted || t.text != "(" {
		return p.f.expand(t)
	}
	var out []string
	for !p.f.broken {
		switch t := p.next(); {
		case !t.quoted && t.text == ")":
			return out
		case !t.quoted && t.text == ",":
		default:
			if _, isList := p.f.lists[t.text]; !isList && !t.quoted && likeList.MatchString(t.text) {
				p.f.leftOut("%s is taken for a text, since no list in the files has that name", t.text)
			}
			out = append(out, p.f.expand(t)...)
		}
	}
	return out
}

// likeList is how lists are named in Falco's own rules; values hardly ever are.
var likeList = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*_(binaries|procs|programs|names|images|containers|files|directories|dirs|paths|list|ports|addresses|ipaddrs|networks|domains|users|namespaces)$`)

func (f *falco) expand(t token) []string {
	if items, ok := f.lists[t.text]; ok && !t.quoted {
		var out []string
		for _, v := range items {
			if _, nested := f.lists[v]; nested && v != t.text && f.depth < maxMacroDepth {
				f.depth++
				out = append(out, f.expand(token{text: v})...)
				f.depth--
			} else {
				out = append(out, v)
			}
		}
		return out
	}
	return []string{t.text}
}

// compare makes a comparison of a field, or says that it can't be carried over.
func (f *falco) compare(field, op string, values []string) *node {
	if len(values) == 0 && op != "exists" {
		return truth(false) // an empty list
	}
	if op == "!=" {
		return not(f.compare(field, "=", values))
	}
	if n := f.constant(field, op, values); n != nil {
		return n
	}
	n := &node{op: "cmp", field: field, rel: op, values: values}
	switch op {
	case "icontains":
		n.rel, n.fold = "contains", true
	case "iglob":
		n.rel, n.fold = "glob", true
	case "regex": // Falco's has to match the whole text
		n.values = slices.Clone(n.values)
		for i, v := range n.values {
			n.values[i] = "^(?:" + v + ")$"
		}
	}
	switch {
	case strings.HasPrefix(field, "proc.aname["):
		n.field = cmp.Or(ancestorField(field, "comm"), field)
	case strings.HasPrefix(field, "proc.aexepath["):
		n.field = cmp.Or(ancestorField(field, "executable"), field)
	}
	switch field {
	case "fd.net", "fd.snet", "fd.rnet":
		if op == "=" {
			n.rel, n.field = "cidr", map[string]string{"fd.net": "fd.rip", "fd.snet": "fd.sip", "fd.rnet": "fd.rip"}[field]
		}
	case "fd.ip":
		n.field = "fd.rip"
	case "user.loginuid", "user.uid":
		n.values = slices.Clone(n.values)
		for i, v := range n.values {
			if v == "-1" {
				n.values[i] = "4294967295"
			}
		}
	}
	if field == "fd.ip" || field == "fd.net" {
		f.leftOut("%s: only the address of the other side is compared", field)
	}
	return n
}

// ancestorField makes "proc.aname[2]" a field of its own: the second ancestor.
func ancestorField(field, member string) string {
	inner := field[strings.IndexByte(field, '[')+1 : max(strings.IndexByte(field, ']'), strings.IndexByte(field, '[')+1)]
	if len(inner) != 1 || inner[0] < '1' || inner[0] > '8' {
		return ""
	}
	return "ancestor." + inner + "." + member
}
