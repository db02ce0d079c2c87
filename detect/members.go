package detect

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

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
			if !ok || i > 0 && use.Path[i-1] == "labels" {
				known = false // a text or a list, or labels, of which each pod has its own
				break
			}
			if at, ok = doc[name]; !ok {
				known = false
				c.say(LevelError, "unknown-member", use.Line, fmt.Sprintf("no event has input.%s: the expression is never true", pathText(use.Path[:i+1])),
					suggest(name, slices.Collect(maps.Keys(doc))))
				break
			}
		}
		if !known || use.Func == "" {
			continue
		}
		bad := ""
		switch at.(type) {
		case map[string]any, []any:
			bad = "an object or a list"
		case float64:
			bad = "a number"
		case bool:
			bad = "true or false"
		}
		if bad != "" {
			c.say(LevelError, "not-text", use.Line, fmt.Sprintf("%s(input.%s): it is %s, so the expression is never true", use.Func, pathText(use.Path), bad), "")
		}
	}
}

func pathText(path []string) string {
	return strings.ReplaceAll(strings.Join(path, "."), "."+policy.Element, policy.Element)
}
