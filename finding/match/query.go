package match

import (
	"fmt"
	"sort"
	"strings"
)

// ParseQuery reads what people type: "severity=>=high technique=T1611,T1055 host=!db*". Words are separated by spaces, a
// value with spaces is put in double quotes, alternatives are separated by commas.
func ParseQuery(text string) (Matcher, error) {
	words, err := split(text)
	if err != nil {
		return Matcher{}, &Error{nil, err.Error()}
	}
	values := map[string][]string{}
	for _, w := range words {
		field, value, ok := strings.Cut(w, "=")
		if !ok {
			return Matcher{}, &Error{nil, fmt.Sprintf("%q is not field=value", w)}
		}
		values[field] = append(values[field], value)
	}
	return FromValues(values)
}

// FromValues makes a matcher of the values of a URL query: repeated fields and commas are alternatives. A regular
// expression keeps its commas.
func FromValues(values map[string][]string) (Matcher, error) {
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	sort.Strings(names)
	doc := map[string]any{}
	for _, n := range names {
		var list []any
		for _, v := range values[n] {
			if strings.HasPrefix(strings.TrimPrefix(v, "!"), "~") {
				list = append(list, v)
				continue
			}
			for x := range strings.SplitSeq(v, ",") {
				list = append(list, x)
			}
		}
		if len(list) == 1 {
			doc[n] = list[0]
		} else {
			doc[n] = list
		}
	}
	return Parse(doc)
}

func split(text string) ([]string, error) {
	var words []string
	var cur strings.Builder
	quoted, started := false, false
	for _, r := range text {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case !quoted && (r == ' ' || r == '\t' || r == '\n'):
			if started {
				words = append(words, cur.String())
				cur.Reset()
				started = false
			}
		default:
			cur.WriteRune(r)
			started = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a double quote is not closed")
	}
	if started {
		words = append(words, cur.String())
	}
	return words, nil
}

// Document is the matcher in the form that Parse reads, for JSON and for the store.
func (m *Matcher) Document() map[string]any {
	doc := map[string]any{}
	for i := range m.Terms {
		t := &m.Terms[i]
		if len(t.Values) == 1 {
			doc[t.Field] = t.Values[0].String()
			continue
		}
		list := make([]any, len(t.Values))
		for j, v := range t.Values {
			list[j] = v.String()
		}
		doc[t.Field] = list
	}
	if len(m.Any) > 0 {
		list := make([]any, len(m.Any))
		for i := range m.Any {
			list[i] = m.Any[i].Document()
		}
		doc["any"] = list
	}
	return doc
}
