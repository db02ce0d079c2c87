package outputs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ErrClosed is what Send returns after Close.
var ErrClosed = errors.New("output is closed")

// PermanentError says that trying again is of no use.
type PermanentError struct{ Err error }

// Permanent marks an error as permanent.
func Permanent(err error) error { return &PermanentError{err} }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// IsPermanent reports whether an error is permanent.
func IsPermanent(err error) bool {
	var p *PermanentError
	return errors.As(err, &p)
}

// RetryAfterError says how long the destination wants to be left alone.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

// RetryAfter marks a temporary error with the pause that the destination asked for.
func RetryAfter(after time.Duration, err error) error { return &RetryAfterError{after, err} }

func (e *RetryAfterError) Error() string { return e.Err.Error() }
func (e *RetryAfterError) Unwrap() error { return e.Err }

// Partial says which of a batch were not taken, by their index. Those not named were.
type Partial map[int]error

func (e Partial) Error() string {
	keys := slices.Sorted(maps.Keys(e))
	if len(keys) == 0 {
		return "no error"
	}
	return fmt.Sprintf("%d of the batch failed, the first: %v", len(keys), e[keys[0]])
}

// Collect makes the error of a batch whose notifications were sent one by one: nil when all went well, the error itself
// when the batch had one, Partial otherwise.
func Collect(errs []error) error {
	p := Partial{}
	for i, err := range errs {
		if err != nil {
			p[i] = err
		}
	}
	switch {
	case len(p) == 0:
		return nil
	case len(errs) == 1:
		return errs[0]
	}
	return p
}
