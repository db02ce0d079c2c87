package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/event"
)

// addressArgs are the arguments of the catalogue that are socket addresses.
var addressArgs = func() map[string]bool {
	m := map[string]bool{}
	for _, d := range slices.Concat(event.All(), event.Syscalls()) {
		for _, a := range d.Args {
			if a.Kind == event.KindSockaddr {
				m[a.Name] = true
			}
		}
	}
	return m
}()

// textFunctions are built-in functions that take the address's text.
var textFunctions = map[string]bool{
	"contains": true, "startswith": true, "endswith": true, "indexof": true, "indexof_n": true, "split": true, "replace": true,
	"substring": true, "lower": true, "upper": true, "trim": true, "trim_left": true, "trim_right": true, "trim_prefix": true,
	"trim_suffix": true, "trim_space": true, "strings.replace_n": true, "strings.any_prefix_match": true, "strings.any_suffix_match": true,
	"strings.reverse": true, "strings.count": true, "regex.match": true, "re_match": true, "regex.find_n": true,
	"regex.find_all_string_submatch_n": true, "regex.split": true, "regex.replace": true, "regex.globs_match": true, "glob.match": true,
	"json.unmarshal": true, "json.is_valid": true, "yaml.unmarshal": true, "is_string": true,
}

// listFunctions are those that other values may be given to as well.
var listFunctions = map[string]bool{"is_string": true, "strings.any_prefix_match": true, "strings.any_suffix_match": true}

// objectFunctions take the address's object.
var objectFunctions = map[string]bool{
	"object.get": true, "object.keys": true, "object.filter": true, "object.remove": true, "object.union": true, "is_object": true,
	"json.filter": true, "json.remove": true, "walk": true,
}

// An addressFlow follows the values of socket-address arguments through a rule's modules, to see what is done to them.
type addressFlow struct {
	vars         map[*ast.Rule]map[ast.Var]bool
	results      map[string]bool         // rules, by reference, whose value is an address
	params       map[string]map[int]bool // … and functions' parameters
	names        bool                    // the file has the name of an address argument as a constant
	text, object bool
	changed      bool
}

// readsAddressAsText decides in which form the rule reads socket addresses: as text if it gives them to functions on text
// and nowhere treats them as objects.
func (r *Rule) readsAddressAsText() bool {
	f := &addressFlow{vars: map[*ast.Rule]map[ast.Var]bool{}, results: map[string]bool{}, params: map[string]map[int]bool{}}
	ast.WalkTerms(r.Module(), func(t *ast.Term) bool {
		s, ok := t.Value.(ast.String)
		f.names = f.names || (ok && addressArgs[string(s)])
		return f.names
	})
	for range 16 { // as deep as any chain of helpers is
		f.changed = false
		for name, m := range r.compiled().Modules {
			if name == HelpersFile {
				continue
			}
			for _, rule := range m.Rules {
				for ; rule != nil; rule = rule.Else {
					f.rule(rule)
				}
			}
		}
		if !f.changed {
			break
		}
	}
	return f.text && !f.object
}

func (f *addressFlow) mark(vars map[ast.Var]bool, t *ast.Term) {
	if v, ok := t.Value.(ast.Var); ok && !vars[v] {
		vars[v], f.changed = true, true
	}
}

func (f *addressFlow) rule(rule *ast.Rule) {
	vars := f.vars[rule]
	if vars == nil {
		vars = map[ast.Var]bool{}
		f.vars[rule] = vars
	}
	path := rule.Ref().GroundPrefix().String()
	for i, a := range rule.Head.Args {
		if f.params[path][i] {
			f.mark(vars, a)
		}
	}
	// Arguments that the rule finds itself: some arg in input.args; arg.name == "remote_addr"; arg.value.
	owners := map[ast.Var]bool{}
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		if e.IsEquality() && len(e.Operands()) == 2 {
			a, b := e.Operand(0), e.Operand(1)
			for range 2 {
				if name, ok := a.Value.(ast.String); ok && addressArgs[string(name)] {
					if ref, ok := b.Value.(ast.Ref); ok && len(ref) > 1 && ref[len(ref)-1].Equal(ast.StringTerm("name")) {
						if v, ok := ref[len(ref)-2].Value.(ast.Var); ok {
							owners[v] = true
						}
					}
				}
				a, b = b, a
			}
		}
		return false
	})
	isAddress := func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Var:
			return vars[v]
		case ast.Ref:
			if f.results[v.String()] {
				return true
			}
			if len(v) > 2 && v[len(v)-1].Equal(ast.StringTerm("value")) {
				o, ok := v[len(v)-2].Value.(ast.Var)
				return ok && owners[o]
			}
			if len(v) == 2 && v[1].Equal(ast.StringTerm("value")) {
				o, ok := v[0].Value.(ast.Var)
				return ok && owners[o]
			}
		case ast.Call:
			return f.call(v, vars, nil)
		}
		return false
	}
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		terms, ok := e.Terms.([]*ast.Term)
		if !ok {
			return false
		}
		if e.IsEquality() && len(terms) == 3 {
			if isAddress(terms[1]) {
				f.mark(vars, terms[2])
			} else if isAddress(terms[2]) {
				f.mark(vars, terms[1])
			}
			return false
		}
		op := terms[0].String()
		args := terms[1:]
		out := f.call(ast.Call(terms), vars, isAddress)
		if n := arity(op, args); out && n < len(args) {
			f.mark(vars, args[n])
		}
		return false
	})
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		if v, ok := ref[0].Value.(ast.Var); ok && len(ref) > 1 && vars[v] {
			f.object = true
		}
		// A path through the argument itself: input.args[i].value.sun_path, arg.value.sun_path.
		for i := 1; i < len(ref)-1; i++ {
			if ref[i].Equal(ast.StringTerm("value")) {
				if o, ok := ref[i-1].Value.(ast.Var); ok && owners[o] {
					f.object = true
				}
			}
		}
		if len(ref) > 1 {
			for i := 2; i < len(ref); i++ {
				if f.results[ref[:i].String()] {
					f.object = true
				}
			}
		}
		return false
	})
	if rule.Head.Value != nil && isAddress(rule.Head.Value) && !f.results[path] {
		f.results[path], f.changed = true, true
	}
}

// arity returns how many of args are inputs; what is left is the output.
func arity(op string, args []*ast.Term) int {
	if b := ast.BuiltinMap[op]; b != nil {
		return len(b.Decl.FuncArgs().Args)
	}
	return len(args) - 1
}

// call notes what a call does to addresses, and reports whether its result is one.
func (f *addressFlow) call(c ast.Call, vars map[ast.Var]bool, isAddress func(*ast.Term) bool) bool {
	op := c[0].String()
	if op == "data.tracee.helpers.get_tracee_argument" && len(c) > 1 {
		if name, ok := c[1].Value.(ast.String); ok {
			return addressArgs[string(name)]
		}
		return f.names // a name that is chosen at run time, from the file's constants
	}
	if isAddress == nil {
		isAddress = func(t *ast.Term) bool { v, ok := t.Value.(ast.Var); return ok && vars[v] }
	}
	for i, a := range c[1:] {
		if !isAddress(a) {
			continue
		}
		switch {
		case textFunctions[op]:
			f.text = true
		case objectFunctions[op]:
			f.object = true
		case ast.BuiltinMap[op] == nil:
			if f.params[op] == nil {
				f.params[op] = map[int]bool{}
			}
			if !f.params[op][i] {
				f.params[op][i], f.changed = true, true
			}
		}
	}
	return f.results[op]
}
