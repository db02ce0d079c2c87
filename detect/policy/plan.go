package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/tocsin-io/tocsin/detect/plan"
	"github.com/tocsin-io/tocsin/detect/value"
)

// target is the name under which OPA hands its plans over: its planner is only reached as a compilation target.
const target = "tocsin"

func init() { rego.RegisterPlugin(target, planTarget{}) }

type planTarget struct{}

type planKey struct{}

func (planTarget) IsTarget(t string) bool { return t == target }

func (planTarget) PrepareForEval(ctx context.Context, p *ir.Policy, _ ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	*ctx.Value(planKey{}).(**ir.Policy) = p
	return nil, nil
}

// Plan returns the rule's compiled plan, made when it is first asked for. An error says why there is none.
func (r *Rule) Plan() (*plan.Plan, error) { return r.planned() }

func (r *Rule) plan() (*plan.Plan, error) {
	var p *ir.Policy
	ctx := context.WithValue(context.Background(), planKey{}, &p)
	body := ast.NewBody(ast.Equality.Expr(ast.VarTerm(string(answer)), ast.NewTerm(r.match)))
	if _, err := rego.New(rego.ParsedQuery(body), rego.Compiler(r.compiled()), rego.Store(r.library.Store()), rego.Target(target)).PrepareForEval(ctx); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	r.Release()
	path := make([]string, 0, len(r.match)-1)
	for _, t := range r.match[1:] {
		s, ok := t.Value.(ast.String)
		if !ok {
			return nil, fmt.Errorf("plan: unusual package path %s", r.match)
		}
		path = append(path, string(s))
	}
	data, err := r.library.value()
	if err != nil {
		return nil, err
	}
	builtin := r.library.builtin()
	own := false
	for _, x := range builtin.Rules {
		own = own || x.Head.Name == "get_tracee_argument"
	}
	return plan.Compile(p, path, data, own)
}

// value returns the library's data, made once.
func (l *Library) value() (*value.Value, error) {
	l.making.Lock()
	defer l.making.Unlock()
	if l.doc == nil {
		v, err := ast.InterfaceToValue(l.Data)
		if err != nil {
			return nil, err
		}
		l.doc = (*value.Arena)(nil).Of(ast.NewTerm(v))
	}
	return l.doc, nil
}

// Prepared returns the rule as a query of OPA's own, which benchmarks compare with.
func (r *Rule) Prepared(ctx context.Context) (rego.PreparedEvalQuery, error) {
	return rego.New(rego.Query(r.match.String()), rego.Compiler(r.reference()), rego.Store(r.library.Store())).PrepareForEval(ctx)
}
