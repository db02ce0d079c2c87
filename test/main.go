// Command test runs all tests that can run on this machine and says at the end what passed,
// what failed, and what was skipped and why:
//
//	go run ./test [go test flags] [packages]
//
// Without packages it tests ./... Its last line reads "N passed, N failed, N skipped". With
// CI=true in the environment a skip that allowed-skips.txt does not list is a failure, so
// that nothing goes untested there because a tool is absent.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
)

//go:embed allowed-skips.txt
var allowedSkips string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "test: %v\n", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (ok bool, err error) {
	if !slices.ContainsFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") }) {
		args = append(args, "./...")
	}
	allowed, err := parseAllowed(allowedSkips)
	if err != nil {
		return false, err
	}
	// -count=1, because Go's cache does not notice that root, QEMU or runc came or went; Go's own time-out of ten
	// minutes is less than other kernels take under emulation.
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-timeout=40m"}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo(args))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	s := newSummary(os.Stdout)
	for dec := json.NewDecoder(out); ; {
		var e record
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return false, errors.Join(fmt.Errorf("read go test -json: %w", err), cmd.Wait())
		}
		s.add(e)
	}
	werr := cmd.Wait()
	ci := os.Getenv("CI") == "true"
	failed := s.finish(ci, allowed)
	if werr != nil && !failed {
		return false, fmt.Errorf("go test: %w, though no test failed", werr)
	}
	return !failed, nil
}

// cgo is what CGO_ENABLED has to be: 0 as in every build of Tocsin, 1 for the race detector.
func cgo(args []string) string {
	if slices.Contains(args, "-race") {
		return "1"
	}
	return "0"
}
