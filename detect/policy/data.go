package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/open-policy-agent/opa/v1/ast"
)

// dataName returns the name under which a data file is visible, or "": "miners.data.yaml" is data.miners.
func dataName(base string) string {
	for _, ext := range []string{".data.json", ".data.yaml", ".data.yml"} {
		if n, ok := strings.CutSuffix(base, ext); ok && ast.IsVarCompatibleString(n) {
			return n
		}
	}
	return ""
}

// ParseData reads a data file. It returns the name under which rules see the value, as data.<name>.
// The error is an *Error.
func ParseData(file string, src []byte) (string, any, error) {
	base := file[strings.LastIndexByte(file, '/')+1:]
	name := dataName(base)
	var v any
	if strings.HasSuffix(base, ".json") {
		dec := json.NewDecoder(bytes.NewReader(src))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			e := &Error{File: file, Reason: err.Error(), Advice: "the file must hold one JSON value"}
			var syn *json.SyntaxError
			if errors.As(err, &syn) {
				e.Line = 1 + bytes.Count(src[:min(int(syn.Offset), len(src))], []byte{'\n'})
			}
			return "", nil, e
		}
		return name, v, nil
	}
	if err := yaml.Unmarshal(src, &v); err != nil {
		e := &Error{File: file, Reason: strings.SplitN(err.Error(), "\n", 2)[0], Advice: "the file must hold one YAML value"}
		var syn yaml.Error
		if errors.As(err, &syn) && syn.GetToken() != nil {
			e.Line, e.Reason = syn.GetToken().Position.Line, syn.GetMessage()
		}
		return "", nil, e
	}
	if _, err := ast.InterfaceToValue(v); err != nil {
		return "", nil, &Error{File: file, Reason: fmt.Sprintf("a value that rules can't see: %v", err), Advice: "use text keys"}
	}
	return name, v, nil
}
