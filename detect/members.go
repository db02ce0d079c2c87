package detect

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tocsin-io/tocsin/detect/input"
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
		for i, name := range use.Path {
			doc, ok := at.(map[string]any)
			if !ok || i > 0 && use.Path[i-1] == "labels" {
				break // a text or a list, or labels, of which each pod has its own
			}
			if at, ok = doc[name]; !ok {
				c.say(LevelError, "unknown-member", use.Line, fmt.Sprintf("no event has input.%s: the expression is never true", strings.Join(use.Path[:i+1], ".")),
					suggest(name, slices.Collect(maps.Keys(doc))))
				break
			}
		}
		switch at.(type) {
		case map[string]any, []any:
			if use.Func != "" {
				c.say(LevelError, "not-text", use.Line, fmt.Sprintf("%s(input.%s): it is an object or a list, so the expression is never true", use.Func, strings.Join(use.Path, ".")), "")
			}
		}
	}
}
