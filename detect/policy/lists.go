package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Lists is a YAML file with which users extend rules without editing them:
//
//	lists:
//	  shells: [/bin/sh, /bin/bash]        # appended to data.tocsin.lists.shells
//	  miners: {replace: [xmrig]}          # instead of it
//	exceptions:
//	  - {rule: shadow_file_read, match: {executable.path: [/usr/sbin/sshd]}, reason: checks passwords, expires: 2030-01-31}
type Lists struct {
	File       string
	Lists      map[string]List
	Exceptions []Exception
}

// List is the elements of one list, texts or numbers.
type List struct {
	Replace bool
	Values  []any
	Line    int // where its values begin
}

// Exception is an exception as it is written in a file.
type Exception struct {
	Rule    string         `yaml:"rule"`
	Match   map[string]any `yaml:"match"`
	Reason  string         `yaml:"reason"`
	Expires string         `yaml:"expires,omitempty"`
	Line    int            `yaml:"-"` // where it begins
}

// UnmarshalYAML reads a list of values, or {replace: [values]}.
func (l *List) UnmarshalYAML(node ast.Node) error {
	if t := node.GetToken(); t != nil {
		l.Line = t.Position.Line
	}
	if err := yaml.NodeToValue(node, &l.Values); err != nil {
		var r struct {
			Replace []any `yaml:"replace"`
		}
		if yaml.NodeToValue(node, &r) != nil || r.Replace == nil {
			return &yaml.SyntaxError{Message: "a list must be [values] or {replace: [values]}", Token: node.GetToken()}
		}
		l.Replace, l.Values = true, r.Replace
	}
	for _, v := range l.Values {
		switch v.(type) {
		case string, uint64, int64, int, float64:
		default:
			return &yaml.SyntaxError{Message: fmt.Sprintf("%v (%T) is neither text nor a number", v, v), Token: node.GetToken()}
		}
	}
	return nil
}

// ParseLists reads a file of lists and exceptions. The error is an *Error.
func ParseLists(file string, src []byte) (*Lists, error) {
	var doc struct {
		Lists      map[string]List `yaml:"lists"`
		Exceptions []Exception     `yaml:"exceptions"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(src), yaml.Strict())
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		e := &Error{File: file, Reason: strings.SplitN(err.Error(), "\n", 2)[0], Advice: "a YAML file among rules has lists: {name: [values]} and exceptions: [{rule, match, reason, expires}]"}
		var syn yaml.Error
		if errors.As(err, &syn) {
			e.Reason = syn.GetMessage()
			if t := syn.GetToken(); t != nil {
				e.Line, e.Column = t.Position.Line, t.Position.Column
			}
		}
		return nil, e
	}
	noteLines(src, doc.Exceptions)
	return &Lists{File: file, Lists: doc.Lists, Exceptions: doc.Exceptions}, nil
}

// noteLines finds out where the exceptions begin. (A method of Exception that decodes itself could not see anchors of others.)
func noteLines(src []byte, list []Exception) {
	path, err := yaml.PathString("$.exceptions")
	if err != nil || len(list) == 0 {
		return
	}
	node, err := path.ReadNode(bytes.NewReader(src))
	if err != nil {
		return
	}
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		return
	}
	for i, n := range seq.Values {
		if i < len(list) {
			list[i].Line = line(n)
		}
	}
}

// line is where a node begins: a mapping's own token is its first colon.
func line(n ast.Node) int {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	return n.GetToken().Position.Line
}

// MergeLists unites the lists of files, in their order, into the value of data.tocsin.lists.
func MergeLists(files []*Lists) map[string]any {
	out := map[string]any{}
	for _, f := range files {
		for name, l := range f.Lists {
			old, _ := out[name].([]any)
			if l.Replace {
				old = nil
			}
			seen := map[any]bool{}
			merged := make([]any, 0, len(old)+len(l.Values))
			for _, v := range append(old[:len(old):len(old)], l.Values...) {
				if !seen[v] {
					seen[v] = true
					merged = append(merged, v)
				}
			}
			out[name] = merged
		}
	}
	return out
}
