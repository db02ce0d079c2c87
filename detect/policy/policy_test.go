package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatal(err, pattern)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
}

// FuzzRule: no file makes the loader, partial evaluation, lowering or the planner panic.
func FuzzRule(f *testing.F) {
	seeds(f, "../testdata/*/*.rego")
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := Parse("fuzz.rego", src)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.rego") {
				t.Errorf("an error without its file: %v", err)
			}
			return
		}
		r, err := Compile(File{Module: m, Text: string(src)}, &Library{})
		if err != nil {
			return
		}
		r.Condition()
		_, _ = r.Plan()
	})
}

func FuzzParseLists(f *testing.F) {
	f.Add([]byte("lists:\n  a: [x, 1]\n  b: {replace: [y]}\nexceptions:\n- {rule: R, match: {a: b}, reason: c}\n"))
	f.Add([]byte("lists: {a: {b: c}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if l, err := ParseLists("x.yaml", src); err == nil {
			MergeLists([]*Lists{l, l})
		}
	})
}

func FuzzParseData(f *testing.F) {
	f.Add([]byte("a: [1, {b: c}]"))
	f.Add([]byte(`{"a": 1}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, _, _ = ParseData("x.data.yaml", src)
		_, _, _ = ParseData("x.data.json", src)
	})
}
