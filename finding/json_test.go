package finding

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// some fills any value at random, so that a field that AppendJSON does not know of is noticed.
func some(r *rand.Rand, v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*x = json.RawMessage([]string{"", `{"a":[1,"<é\n"]}`, "{\n \"a\": 1\r\n}", "true"}[r.IntN(4)])
		return
	case *time.Time:
		*x = time.Unix(r.Int64N(1<<33), r.Int64N(2)*r.Int64N(1e9)).In([]*time.Location{time.UTC, time.FixedZone("", 5400)}[r.IntN(2)])
		return
	case *Severity:
		*x = Severity(r.IntN(int(Critical) + 1))
		return
	}
	if r.IntN(4) == 0 {
		return // left out
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"plain", "", "quote \" back \\ slash", "<a href=\"x\">&amp;", "é ☃ \u2028", "not UTF-8: \xff\xfe", "tab\tline\nnul\x00del\x7f"}[r.IntN(7)])
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(r.Uint32()))
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{"text", json.Number("3"), 4, 2.5, true, []any{"a", json.Number("1"), nil}, map[string]any{"z": "<", "a": 1}}[r.IntN(7)]))
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			some(r, v.Elem(), depth-1)
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
			for i := range v.Len() {
				some(r, v.Index(i), depth-1)
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			some(r, key, depth)
			some(r, val, depth)
			v.SetMapIndex(key, val)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			some(r, v.Field(i), depth)
		}
	default:
		panic(v.Type().String())
	}
}

func TestAppendJSON(t *testing.T) {
	for seed := range uint64(5000) {
		var f Finding
		some(rand.New(rand.NewPCG(seed, 1)), reflect.ValueOf(&f).Elem(), 4)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(&f); err != nil {
			t.Fatal(err)
		}
		got, err := f.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(bytes.TrimSuffix(want.Bytes(), []byte("\n"))) {
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, got, want.Bytes())
		}
	}
}
