package policy

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

//go:embed helpers.rego
var helpersSource string

// HelpersFile is the name under which the built-in helpers are compiled.
const HelpersFile = "tracee/helpers.rego"

var helpersModule = ast.MustParseModuleWithOpts(helpersSource, ast.ParserOptions{RegoVersion: ast.RegoV1})

// Forbidden are built-in functions that a rule must not call: they reach out of the process or read its environment,
// and would block the stream of events.
var forbidden = map[string]struct{}{
	"http.send": {}, "net.lookup_ip_addr": {}, "opa.runtime": {}, "trace": {},
}

// An Error is what is wrong with one file.
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Reason string `json:"reason"`
	Advice string `json:"advice,omitempty"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Column > 0 {
		fmt.Fprintf(&b, ":%d", e.Column)
	}
	b.WriteString(": " + e.Reason)
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Kind tells what a file in a rules folder is for.
type Kind int

const (
	KindOther Kind = iota
	KindRule
	KindHelper // visible to all rules of its folder tree
	KindTest
	KindData  // visible to all rules of its folder tree as data.<name>
	KindLists // lists and exceptions, for all rules
)

// KindOf tells a file's use by its name.
func KindOf(name string) Kind {
	base := path.Base(name)
	switch {
	case strings.HasSuffix(base, "_test.rego"):
		return KindTest
	case strings.HasSuffix(base, "helpers.rego"):
		return KindHelper
	case strings.HasSuffix(base, ".rego"):
		return KindRule
	case dataName(base) != "":
		return KindData
	case strings.HasSuffix(base, ".yaml"), strings.HasSuffix(base, ".yml"):
		return KindLists
	}
	return KindOther
}

// File is a file of a rule, with the text that it was parsed from.
type File struct {
	Name   string
	Text   string
	Module *ast.Module // nil where Parse is still to make it
}

// Parse reads a file of Rego in the version that it is written in: v1 when it parses as that, else v0.
// The error is an *Error.
func Parse(name string, src []byte) (*ast.Module, error) {
	m, err1 := ast.ParseModuleWithOpts(name, string(src), ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
	if err1 == nil && m != nil {
		return m, nil
	}
	m, err0 := ast.ParseModuleWithOpts(name, string(src), ast.ParserOptions{RegoVersion: ast.RegoV0, ProcessAnnotation: true})
	if err0 == nil && m != nil {
		return m, nil
	}
	if len(bytes.TrimSpace(src)) == 0 {
		return nil, &Error{File: name, Reason: "the file is empty", Advice: "write a package and a rule, or delete the file"}
	}
	// The version whose parser got further is the one that the author meant.
	e1, e0 := AsError(name, err1), AsError(name, err0)
	if e0.Line > e1.Line || (e0.Line == e1.Line && e0.Column > e1.Column) {
		return nil, e0
	}
	return nil, e1
}

// AsError reduces OPA's errors to the first one, in the order of the file.
func AsError(name string, err error) *Error {
	var list ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &list) && len(list) > 0:
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b *ast.Error) int {
			if a.Location == nil || b.Location == nil {
				return 0
			}
			return a.Location.Row - b.Location.Row
		})
		one = list[0]
	case errors.As(err, &one):
	default:
		return &Error{File: name, Reason: err.Error()}
	}
	e := &Error{File: name, Reason: one.Message}
	if one.Details != nil {
		for _, l := range one.Details.Lines() {
			if l = strings.TrimSpace(l); l != "" && l != "^" && one.Code == ast.ParseErr {
				e.Advice = "mend the syntax at: " + l
			}
		}
	}
	if one.Location != nil {
		e.Line, e.Column = one.Location.Row, one.Location.Col
		if one.Location.File != "" {
			e.File = one.Location.File
		}
	}
	switch {
	case strings.Contains(e.Reason, "unsafe built-in function calls"):
		e.Advice = "rules see one event and must not reach out of the process: remove the call"
	case strings.Contains(e.Reason, "undefined function data.tracee.helpers."):
		e.Advice = "the helpers are get_tracee_argument, is_file_write, is_file_read and is_elf_file; put your own into a file named *helpers.rego"
	case strings.Contains(e.Reason, "undefined function data."):
		e.Advice = "define it in this file, or in a file named *helpers.rego beside it"
	}
	return e
}
