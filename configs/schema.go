package configs

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// Schema writes the JSON Schema (draft 2020-12) of the file, for editors: keys, types, defaults and what they mean. It
// takes what Parse takes, references to variables and files included; what holds between keys only Parse finds.
func Schema(types Types) ([]byte, error) {
	s := &schema{defs: object{
		"reference": object{"type": "string", "pattern": `^\$\{(env|file):[^}]+\}$`},
		"duration":  object{"type": []string{"string", "integer"}, "pattern": `^((\d+w)?(\d+d)?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))*|0|\$\{.+\})$`, "examples": []string{"30s", "5m", "24h", "90d"}, "maximum": 0},
		"size":      object{"type": []string{"string", "integer"}, "pattern": `^(\d+ ?([KMGT]i?B|kB|B)?|\$\{.+\})$`, "examples": []string{"512MiB", "1GB"}},
		"text":      object{"type": []string{"string", "number"}},
		"strings":   object{"anyOf": []any{object{"$ref": "#/$defs/text"}, object{"type": "array", "items": object{"$ref": "#/$defs/text"}}}},
	}}
	c := Default()
	s.start = map[reflect.Type]any{
		reflect.TypeFor[Route]():  Route{Group: c.Defaults.Group, Suppress: "allow"},
		reflect.TypeFor[Output](): Output{Timeout: defaultTimeout, Rate: defaultRate},
	}
	root := s.structure(reflect.ValueOf(*c))
	out := s.defs["output"].(object)
	common := out["properties"].(object)
	common["type"].(object)["enum"] = slices.Sorted(maps.Keys(types))
	// The settings of a type hold where the type is written.
	delete(out, "additionalProperties")
	var cases []any
	for _, name := range slices.Sorted(maps.Keys(types)) {
		own := s.structure(reflect.Indirect(reflect.ValueOf(types[name]())))
		properties := own["properties"].(object)
		for k := range common {
			if _, ok := properties[k]; !ok {
				properties[k] = true
			}
		}
		s.defs["output_"+name] = own
		cases = append(cases, object{
			"if":   object{"properties": object{"type": object{"const": name}}, "required": []string{"type"}},
			"then": object{"$ref": "#/$defs/output_" + name},
		})
	}
	if cases != nil {
		out["allOf"] = cases
	}
	root["$schema"], root["title"], root["$defs"] = "https://json-schema.org/draft/2020-12/schema", "Tocsin's configuration", s.defs
	raw, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(raw, '\n'), nil
}

type object = map[string]any

type schema struct {
	defs  object
	start map[reflect.Type]any // what an element of a list or map starts from
}

// structure describes a struct whose values are the defaults.
func (s *schema) structure(v reflect.Value) object {
	properties, required := object{}, []string{}
	for _, f := range settings.Fields(v.Interface()) {
		p := s.value(f, v.FieldByIndex(f.Index))
		if f.Doc != "" {
			p["description"] = f.Doc
		}
		if f.Example != "" {
			p["examples"] = []string{f.Example}
		}
		if f.Required {
			required = append(required, f.Name)
		}
		properties[f.Name] = p
	}
	out := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// value describes one setting.
func (s *schema) value(f settings.Field, v reflect.Value) object {
	if f.Enum != nil && f.Type.Kind() == reflect.String {
		p := object{"anyOf": []any{object{"enum": f.Enum}, object{"$ref": "#/$defs/reference"}}}
		if d, ok := f.Default.(string); ok {
			p["default"] = d
		}
		return p
	}
	p := s.of(f.Type, v)
	switch d := f.Default.(type) {
	case time.Duration:
		p["default"] = settings.FormatDuration(d)
	case settings.Size, bool, int, int64, string:
		p["default"] = d
	}
	return p
}

func (s *schema) of(t reflect.Type, v reflect.Value) object {
	ref := func(name string) object { return object{"$ref": "#/$defs/" + name} }
	start := func() reflect.Value {
		if d, ok := s.start[t.Elem()]; ok {
			return reflect.ValueOf(d)
		}
		return reflect.New(t.Elem()).Elem()
	}
	switch t {
	case reflect.TypeFor[settings.Secret]():
		return ref("text")
	case reflect.TypeFor[time.Duration]():
		return ref("duration")
	case reflect.TypeFor[settings.Size]():
		return ref("size")
	case reflect.TypeFor[Strings]():
		return ref("strings")
	case reflect.TypeFor[Group]():
		return object{"anyOf": []any{object{"const": "none"}, s.structure(v)}}
	case reflect.TypeFor[Output]():
		s.defs["output"] = s.structure(v)
		return ref("output")
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v = reflect.New(t.Elem())
		}
		return s.of(t.Elem(), v.Elem())
	case reflect.Struct:
		return s.structure(v)
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem(), start())}
	case reflect.Slice:
		return object{"type": []string{"array", "null"}, "items": s.of(t.Elem(), start())}
	case reflect.Bool:
		return object{"anyOf": []any{object{"type": "boolean"}, ref("reference")}}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		return object{"anyOf": []any{object{"type": "integer"}, ref("reference")}}
	case reflect.Float64:
		return object{"anyOf": []any{object{"type": "number"}, ref("reference")}}
	case reflect.Interface:
		return object{}
	}
	return ref("text")
}
