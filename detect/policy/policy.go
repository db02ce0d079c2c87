// Package policy turns one Rego file into something that can be asked about events: it parses (v0 and v1, told apart by
// file), compiles with the helpers, reads the metadata and the selected events, decides in which form the rule reads
// socket addresses, and evaluates with OPA.
//
// A Rule is immutable and safe for concurrent use.
package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tocsin-io/tocsin/detect/input"
	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/plan"
	"github.com/tocsin-io/tocsin/detect/value"
	"github.com/tocsin-io/tocsin/event"
)

// Library is what the rules of one folder tree share: helper modules by file name, and data.
type Library struct {
	Helpers map[string]*ast.Module
	Data    map[string]any

	making sync.Mutex // of what follows, when it is first needed
	store  storage.Store
	doc    *value.Value
}

// Store returns the library's data as a store, made once.
func (l *Library) Store() storage.Store {
	l.making.Lock()
	defer l.making.Unlock()
	if l.store == nil {
		data := l.Data
		if data == nil {
			data = map[string]any{}
		}
		l.store = inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	}
	return l.store
}

// Selector is one element of tracee_selected_events. An empty Name or Origin means any.
type Selector struct {
	Source string `json:"source"`
	Name   string `json:"name,omitempty"`
	Origin string `json:"origin,omitempty"`
}

// Rule is one compiled file.
type Rule struct {
	File      string
	Metadoc   map[string]any
	Selectors []Selector
	Unread    []string // keys of selectors that mean nothing
	// AddressText: the rule reads socket addresses as one text, as Tracee up to v0.6.3 gave them; else as objects.
	AddressText bool

	text      string // of the file
	library   *Library
	match     ast.Ref              // data.<package>.tracee_match
	reference func() *ast.Compiler // of the rule as written, for Eval
	planned   func() (*plan.Plan, error)

	// What weighs much is made when it is needed: see Release.
	compiling sync.Mutex
	module    *ast.Module // as parsed
	compiler  *ast.Compiler
	lowering  sync.Mutex
	lowered   *lowered
}

// lowered is what a rule became: what it asks of an event, and what it answers.
type lowered struct {
	condition *native.Node
	answers   native.Answers
}

// compiled returns OPA's compiler with the rule in it.
func (r *Rule) compiled() *ast.Compiler {
	mod := r.Module()
	r.compiling.Lock()
	defer r.compiling.Unlock()
	if r.compiler == nil {
		r.compiler = newRuleCompiler()
		r.compiler.Compile(WithLibrary(map[string]*ast.Module{r.File: mod}, r.library)) // it did before
	}
	return r.compiler
}

// Module returns the file as it was parsed.
func (r *Rule) Module() *ast.Module {
	r.compiling.Lock()
	defer r.compiling.Unlock()
	if r.module == nil {
		r.module, _ = Parse(r.File, []byte(r.text)) // it did before
	}
	return r.module
}

// Release frees what the rule was compiled from, the file as it was parsed and OPA's compiler, which is most of what it weighs: a rule that
// is in force needs it for its plan alone, when it is first asked. It is made again when it is needed.
func (r *Rule) Release() {
	r.compiling.Lock()
	defer r.compiling.Unlock()
	r.module, r.compiler = nil, nil
}

// NewCompiler returns a compiler with the built-in functions that rules may use.
func NewCompiler() *ast.Compiler {
	return ast.NewCompiler().WithUnsafeBuiltins( //nolint:staticcheck // names the few that are forbidden, not the many that are allowed
		forbidden).WithDefaultRegoVersion(ast.RegoV0)
}

// builtin returns the built-in helpers without those that a file of the user defines: folders of rules written for Tracee
// carry their own copy.
func (l *Library) builtin() *ast.Module {
	theirs := map[string]bool{}
	for _, m := range l.Helpers {
		if m.Package.Equal(helpersModule.Package) {
			for _, r := range m.Rules {
				theirs[r.Head.Ref().String()] = true
			}
		}
	}
	if len(theirs) == 0 {
		return helpersModule
	}
	own := helpersModule.Copy()
	own.Rules = slices.DeleteFunc(own.Rules, func(r *ast.Rule) bool { return theirs[r.Head.Ref().String()] })
	return own
}

// WithLibrary returns the modules with the built-in helpers and those of the library.
func WithLibrary(modules map[string]*ast.Module, lib *Library) map[string]*ast.Module {
	all := map[string]*ast.Module{HelpersFile: lib.builtin()}
	maps.Copy(all, lib.Helpers)
	maps.Copy(all, modules)
	return all
}

// Compile compiles one rule with the helpers of its library. The error is an *Error.
func Compile(f File, lib *Library) (*Rule, error) {
	file, mod := f.Name, f.Module
	if mod == nil {
		var err error
		if mod, err = Parse(file, []byte(f.Text)); err != nil {
			return nil, err
		}
	}
	c := newRuleCompiler()
	if c.Compile(WithLibrary(map[string]*ast.Module{file: mod}, lib)); c.Failed() {
		return nil, AsError(file, c.Errors)
	}
	r := &Rule{File: file, text: f.Text, module: mod, compiler: c, library: lib, match: append(slices.Clone(mod.Package.Path), ast.StringTerm("tracee_match"))}
	if err := r.readMetadoc(); err != nil {
		return nil, err
	}
	if err := r.readSelectors(); err != nil {
		return nil, err
	}
	if len(c.GetRulesExact(r.match)) == 0 {
		return nil, &Error{File: file, Line: 1, Reason: "the rule has no tracee_match", Advice: "define tracee_match: true or an object when the event is a finding"}
	}
	r.AddressText = r.readsAddressAsText()
	r.planned = sync.OnceValues(r.plan)
	r.reference = sync.OnceValue(func() *ast.Compiler {
		c := NewCompiler()
		c.Compile(WithLibrary(map[string]*ast.Module{file: r.Module()}, lib)) // as it did before
		return c
	})
	return r, nil
}

// ground evaluates data.<package>.<name> without an input. The value is nil when it is undefined.
func (r *Rule) ground(name string) (*ast.Term, error) {
	ref := append(slices.Clone(r.match[:len(r.match)-1]), ast.StringTerm(name))
	if len(r.compiled().GetRulesExact(ref)) == 0 {
		return nil, nil
	}
	return r.query(r.compiled(), ref, nil, nil)
}

var answer = ast.Var("answer")

// query evaluates a reference. The value is nil when it is undefined.
func (r *Rule) query(c *ast.Compiler, ref ast.Ref, input *ast.Term, cancel topdown.Cancel) (*ast.Term, error) {
	ctx := context.Background()
	store := r.library.Store()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	body := ast.NewBody(ast.Equality.Expr(ast.VarTerm(string(answer)), ast.NewTerm(ref)))
	q := topdown.NewQuery(body).WithCompiler(c).WithStore(store).WithTransaction(txn).WithCancel(cancel)
	if input != nil {
		q = q.WithInput(input)
	}
	var out *ast.Term
	err = q.Iter(ctx, func(res topdown.QueryResult) error {
		out = res[answer]
		return nil
	})
	return out, err
}

func (r *Rule) readMetadoc() error {
	t, err := r.ground("__rego_metadoc__")
	if err != nil {
		return AsError(r.File, err)
	}
	bad := func(reason string) error {
		return &Error{
			File: r.File, Line: r.Line("__rego_metadoc__"), Reason: reason,
			Advice: `define __rego_metadoc__ := {"id": "…", "version": "…", "name": "…", "description": "…", "properties": {"Severity": 2, "MITRE ATT&CK": "…"}}`,
		}
	}
	if t == nil {
		return bad("the rule has no __rego_metadoc__")
	}
	v, err := ast.JSON(t.Value)
	if err != nil {
		return bad("__rego_metadoc__ is not data: " + err.Error())
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return bad("__rego_metadoc__ is not an object")
	}
	r.Metadoc = doc
	return nil
}

func (r *Rule) readSelectors() error {
	t, err := r.ground("tracee_selected_events")
	if err != nil {
		return AsError(r.File, err)
	}
	bad := func(reason string) error {
		return &Error{
			File: r.File, Line: r.Line("tracee_selected_events"), Reason: reason,
			Advice: `define tracee_selected_events as a set of {"source": "tracee", "name": "security_file_open", "origin": "container"}`,
		}
	}
	if t == nil {
		return bad("the rule has no tracee_selected_events")
	}
	var each func(func(*ast.Term))
	switch v := t.Value.(type) {
	case ast.Set:
		each = v.Foreach
	case *ast.Array:
		each = v.Foreach
	default:
		return bad("tracee_selected_events is not a set")
	}
	var wrong string
	each(func(el *ast.Term) {
		o, ok := el.Value.(ast.Object)
		if !ok {
			wrong = "tracee_selected_events has an element that is not an object: " + el.String()
			return
		}
		text := func(key string) string {
			f := o.Get(ast.StringTerm(key))
			if f == nil {
				return ""
			}
			s, ok := f.Value.(ast.String)
			if !ok {
				wrong = fmt.Sprintf("tracee_selected_events: %s is not text: %s", key, f)
				return ""
			}
			if s == "*" {
				return ""
			}
			return string(s)
		}
		o.Foreach(func(k, _ *ast.Term) {
			if key, ok := k.Value.(ast.String); ok && key != "source" && key != "name" && key != "origin" && !slices.Contains(r.Unread, string(key)) {
				r.Unread = append(r.Unread, string(key))
			}
		})
		s := Selector{Source: text("source"), Name: text("name"), Origin: text("origin")}
		switch s.Origin {
		case "", "host", "container", "container-init":
		default:
			wrong = fmt.Sprintf("tracee_selected_events: unknown origin %q: use host, container or container-init", s.Origin)
		}
		r.Selectors = append(r.Selectors, s)
	})
	if wrong != "" {
		return bad(wrong)
	}
	if len(r.Selectors) == 0 {
		return bad("tracee_selected_events is empty: the rule would never see an event")
	}
	return nil
}

// Line returns the line of the named rule in the file, 0 when it is not there.
func (r *Rule) Line(name string) int {
	for _, x := range r.Module().Rules {
		if x.Head.Name == ast.Var(name) || strings.HasPrefix(x.Head.Ref().String(), name) {
			return x.Location.Row
		}
	}
	return 0
}

// Verdict is a rule's answer to one event.
type Verdict struct {
	Match bool
	Data  []byte // JSON object, or nil when the rule answered true
}

// Errors of an evaluation.
var (
	ErrTimeout = plan.ErrTimeout
	// ErrConflict: the rule gave two different answers. It counts as a match without data, since it did match.
	ErrConflict = plan.ErrConflict
)

// Confirm gives the rule's answer to the event that the machine looks at, valid until it is asked again: by the rule's compiled plan, or, if the plan can't
// be compiled, by OPA's evaluator.
func (r *Rule) Confirm(m *plan.Machine, ev *event.Event, timeout time.Duration) (Verdict, error) {
	p, err := r.Plan()
	if err == nil {
		v, err := m.Run(p, r.AddressText, timeout)
		switch {
		case errors.Is(err, plan.ErrUnsure):
		case errors.Is(err, ErrConflict):
			return Verdict{Match: true}, err
		case err != nil || v == nil:
			return Verdict{}, err
		default:
			return answerOf(m, v)
		}
	}
	doc, err := input.Document(ev, r.AddressText)
	if err != nil {
		return Verdict{}, err
	}
	return r.Eval(doc, patience*timeout)
}

// patience multiplies the time-out where only the clock can end an evaluation: on a busy machine it may wait for the
// processor, and must not be lost for that.
const patience = 10

// Eval asks OPA's evaluator about the rule as it is written. It is the reference for every faster way.
func (r *Rule) Eval(input *ast.Term, timeout time.Duration) (Verdict, error) {
	cancel := topdown.NewCancel()
	if timeout > 0 {
		defer time.AfterFunc(timeout, cancel.Cancel).Stop()
	}
	t, err := r.query(r.reference(), r.match, input, cancel)
	if err != nil {
		var te *topdown.Error
		switch {
		case topdown.IsCancel(err):
			return Verdict{}, ErrTimeout
		case errors.As(err, &te) && te.Code == topdown.ConflictErr:
			return Verdict{Match: true}, fmt.Errorf("%w: %s", ErrConflict, te.Message)
		}
		return Verdict{}, err
	}
	if t == nil {
		return Verdict{}, nil
	}
	return Answer(t.Value)
}

// Answer reads the value of tracee_match: true is a match, an object is a match with that data, anything else is none.
func Answer(v ast.Value) (Verdict, error) {
	switch x := v.(type) {
	case ast.Boolean:
		return Verdict{Match: bool(x)}, nil
	case ast.Object:
		data, err := marshal(x)
		return Verdict{Match: true, Data: data}, err
	}
	return Verdict{}, nil
}

// answerOf is Answer for a value of the plan's.
func answerOf(m *plan.Machine, v *value.Value) (Verdict, error) {
	if v.Kind() != value.Object {
		return Verdict{Match: v.True()}, nil
	}
	data, ok := m.JSON(v)
	if !ok {
		return Answer(v.Term().Value)
	}
	return Verdict{Match: true, Data: data}, nil
}

// marshal writes a rule's answer as JSON; sets become sorted lists.
func marshal(v ast.Value) ([]byte, error) {
	x, err := ast.JSONWithOpt(v, ast.JSONOpt{SortSets: true})
	if err != nil {
		return nil, err
	}
	return json.Marshal(x)
}
