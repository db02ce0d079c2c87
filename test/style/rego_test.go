// Package style checks the format of what Go's own tools do not know.
package style

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// TestRego holds the built-in rules to the format of "opa fmt", and to Rego version 1.
func TestRego(t *testing.T) {
	root := filepath.Join("..", "..", "rules")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		want, err := format.SourceWithOpts(path, text, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Errorf("%v", err)
		} else if string(want) != string(text) {
			t.Errorf("%s is not formatted: run opa fmt -w %s", strings.TrimPrefix(path, "../../"), strings.TrimPrefix(path, "../../"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
