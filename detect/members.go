package detect

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/input"
	"github.com/tocsin-io/tocsin/detect/policy"
)

// fullDocument is the document of an event that has every field.
var fullDocument = sync.OnceValue(func() map[string]any {
	doc := map[string]any{}
	for _, name := range input.Names() {
		doc[name] = nil
	}
	if err := json.Unmarshal(full().AppendJSON(nil), &doc); err != nil {
		panic(err) // it is made of constants
	}
	return doc
})

// members checks what the rule reads of input against what a document has.
func (c *checker) members() {
	for _, use := range c.rule.policy.Members() {
		var at any = fullDocument()
		known := true
		for i, name := range use.Path {
			if name == policy.Element {
				switch list, _ := at.([]any); {
				case i == 1 && use.Path[0] == "args":
					at = map[string]any{"name": "", "type": "", "value": nil}
				case len(list) > 0:
					at = list[0]
				default:
					at = nil // a variable that stands for the name of a member
				}
				continue
			}
			doc, ok := at.(map[string]any)
			if what := kindOf(at); !ok && what != "" { // else not known
				advice := ""
				if use.Path[0] == "args" && i == 1 {
					advice = fmt.Sprintf("helpers.get_tracee_argument(%q) gives an argument", name)
				}
				c.say(LevelError, "unknown-member", use.Line, fmt.Sprintf("input.%s is %s, and has no %s: the expression is never true", pathText(use.Path[:i]), what, name), advice)
			}
			if !ok || i > 0 && use.Path[i-1] == "labels" {
				known = false // labels: each pod has its own
				break
			}
			if at, ok = doc[name]; !ok {
				known = false
				c.say(LevelError, "unknown-member", use.Line, fmt.Sprintf("no event has input.%s: the expression is never true", pathText(use.Path[:i+1])),
					suggest(name, slices.Collect(maps.Keys(doc))))
				break
			}
		}
		if !known {
			continue
		}
		what := kindOf(at)
		if use.Func != "" && what != "" && what != "text" {
			c.say(LevelError, "not-text", use.Line, fmt.Sprintf("%s(input.%s): it is %s, so the expression is never true", use.Func, pathText(use.Path), what), "")
		}
		if wants := kindOfConstant(use.Equals); wants != "" && what != "" && wants != what {
			c.say(LevelError, "never-equal", use.Line, fmt.Sprintf("input.%s is %s, and never equal to %s", pathText(use.Path), what, use.Equals), "")
		}
		if name, ok := use.Equals.(ast.String); ok && len(use.Path) == 1 && use.Path[0] == "eventName" && !c.selects(string(name)) {
			c.say(LevelWarning, "not-selected", use.Line, fmt.Sprintf("the rule does not select %s: what follows is never true", name), "add it to tracee_selected_events")
		}
	}
}

func (c *checker) selects(name string) bool {
	return slices.ContainsFunc(c.rule.policy.Selectors, func(s Selector) bool { return s.Name == "" || s.Name == name })
}

// kindOf names the kind of a value of the document, "" where that is not known.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return ""
}

func kindOfConstant(v ast.Value) string {
	switch v.(type) {
	case ast.String:
		return "text"
	case ast.Number:
		return "a number"
	case ast.Boolean:
		return "true or false"
	}
	return ""
}

func pathText(path []string) string {
	return strings.ReplaceAll(strings.Join(path, "."), "."+policy.Element, policy.Element)
}
