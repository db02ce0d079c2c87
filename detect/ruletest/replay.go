package ruletest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/event"
)

// MaxLine bounds one recorded event, in bytes.
const MaxLine = 16 << 20

// A LineError says which line of a recording is no event.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Replay gives each event of a recording (Tocsin's or Tracee's JSON lines) to the engine, to the last line, whether or not
// that ends in a newline. It returns how many events there were. bad is called for each line that is no event, with a
// *LineError; the replay goes on when it returns nil, as it does when bad is nil.
func Replay(ctx context.Context, r io.Reader, engine *detect.Engine, bad func(error) error) (int, error) {
	return Events(ctx, r, func(ev *event.Event) error { engine.Handle(ev); return nil }, bad)
}

// Events calls f with each event of a recording; see Replay. It stops at the first error of f.
func Events(ctx context.Context, r io.Reader, f func(*event.Event) error, bad func(error) error) (int, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), MaxLine)
	n, line := 0, 0
	for sc.Scan() {
		line++
		if err := ctx.Err(); err != nil {
			return n, err
		}
		text := bytes.TrimSpace(sc.Bytes())
		if len(text) == 0 {
			continue
		}
		ev, err := event.ParseJSON(text)
		if err != nil {
			if bad != nil {
				if err := bad(&LineError{line, err}); err != nil {
					return n, err
				}
			}
			continue
		}
		n++
		if err := f(ev); err != nil {
			return n, err
		}
	}
	if err := sc.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d bytes", MaxLine)
		}
		return n, &LineError{line + 1, err}
	}
	return n, nil
}
