package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Residue is what partial evaluation leaves of a rule when only the event is unknown: the rule can match only if one of the
// bodies holds. Support are rules that bodies refer to.
type Residue struct {
	Bodies  []ast.Body
	Support []*ast.Module
}

// partialTimeout bounds partial evaluation at load: a rule that takes longer has no residue.
const partialTimeout = 15 * time.Second

// Residue evaluates the rule as far as it goes without an event.
func (r *Rule) Residue() (*Residue, error) {
	ctx, stop := context.WithTimeout(context.Background(), partialTimeout)
	defer stop()
	store := r.library.Store()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	cancel := topdown.NewCancel()
	defer time.AfterFunc(partialTimeout, cancel.Cancel).Stop()
	body := ast.NewBody(ast.Equality.Expr(ast.VarTerm(string(answer)), ast.NewTerm(r.match)))
	bodies, support, err := topdown.NewQuery(body).WithCompiler(r.compiled()).WithStore(store).WithTransaction(txn).WithCancel(cancel).
		WithUnknowns([]*ast.Term{ast.NewTerm(ast.InputRootRef)}).PartialRun(ctx)
	if err != nil {
		return nil, fmt.Errorf("partial evaluation: %w", err)
	}
	return &Residue{bodies, support}, nil
}
