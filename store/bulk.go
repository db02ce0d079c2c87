package store

import (
	"context"
	"strings"
)

// bulk inserts rows, many with each statement: for a row, to call the database costs as much as what it does.
type bulk struct {
	columns int
	stmts   [len(bulkSizes)]string
}

// bulkSizes are the rows of a statement. What is left over takes the smaller ones.
var bulkSizes = [...]int{64, 8, 1}

// newBulk makes a bulk out of a statement up to VALUES, and what comes behind the rows.
func newBulk(into string, columns int, behind string) *bulk {
	b := &bulk{columns: columns}
	row := "(" + strings.Repeat("?, ", columns-1) + "?)"
	for i, n := range bulkSizes {
		b.stmts[i] = into + " VALUES " + strings.Repeat(row+", ", n-1) + row + behind
	}
	return b
}

// insert takes the values of all rows, one after the other.
func (b *bulk) insert(ctx context.Context, t *Tx, values []any) error {
	for i, size := range bulkSizes {
		for n := size * b.columns; len(values) >= n; values = values[n:] {
			if _, err := t.exec(ctx, b.stmts[i], values[:n]...); err != nil {
				return err
			}
		}
	}
	return nil
}
