// Package simulate triggers each built-in rule for real and without harm: "tocsin simulate" and the end-to-end tests
// run it, and then wait for the alert.
//
// A simulation works in processes, files, mount namespaces and containers of its own. It never changes what it did not
// make: a rule about /etc/cron.d is triggered in a private root where /etc is its own. What it made is gone when Run
// returns, also when its context is cancelled.
//
// The processes are this binary started again, so that nothing else needs to be installed (except runc, for rules about
// containers): a main function, and a TestMain, that wants to run simulations calls Main first.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Simulation triggers one rule.
type Simulation struct {
	Rule      string // id of the rule
	Does      string // one sentence
	Container bool   // the behaviour happens in a container
	Needs     []Need
	// Module: it loads Env.Module, which changes the kernel: for a machine of its own.
	Module bool
	// Untriggerable says why nothing here can trigger the rule; such a simulation cannot run.
	Untriggerable string

	run func(*env) error
}

// Env is where a simulation works. The zero value is usable.
type Env struct {
	// Dir is a directory below which the simulation makes one of its own; empty means the system's temporary directory.
	Dir string
	// Module is the file of the kernel module of test/kernel/module, compiled for the running kernel.
	Module string
	// Log receives a line for each thing done; nil discards them.
	Log func(format string, args ...any)
}

// A Need is what a simulation requires of the machine.
type Need struct {
	Name  string
	check func() error
}

// Check returns nil when the machine has it, else an error that says what is missing and how to get it.
func (n Need) Check() error { return n.check() }

// What simulations need.
var (
	Root = Need{"root", func() error {
		if os.Geteuid() != 0 {
			return errors.New("needs root: run it with sudo")
		}
		return nil
	}}
	Runc = Need{"runc", func() error {
		if _, err := exec.LookPath("runc"); err != nil {
			return errors.New("needs runc to start a container: install the package runc")
		}
		return static()
	}}
	Static = Need{"static binary", static}
	AMD64  = Need{"x86-64", func() error {
		if runtime.GOARCH != "amd64" {
			return errors.New("needs an x86-64 machine: its machine code is for that")
		}
		return nil
	}}
)

// All returns the simulations, ordered by rule.
func All() []Simulation {
	var out []Simulation
	for _, group := range [][]Simulation{containerSimulations, processSimulations, fileSimulations, moduleSimulations} {
		out = append(out, group...)
	}
	slices.SortFunc(out, func(a, b Simulation) int {
		if a.Rule < b.Rule {
			return -1
		}
		return 1
	})
	return out
}

// ByRule returns the simulation of the rule with that id.
func ByRule(id string) (Simulation, bool) {
	for _, s := range All() {
		if s.Rule == id {
			return s, true
		}
	}
	return Simulation{}, false
}

// Check returns nil when the simulation can run here, else what is missing. One that needs a module can where it is given one.
func (s Simulation) Check() error {
	if s.Untriggerable != "" {
		return fmt.Errorf("rule %s cannot be triggered: %s", s.Rule, s.Untriggerable)
	}
	for _, n := range s.Needs {
		if err := n.Check(); err != nil {
			return fmt.Errorf("simulate %s: %w", s.Rule, err)
		}
	}
	return nil
}

// Run triggers the rule once and cleans up. It returns when the behaviour has happened: the alert follows on its own.
// An error means that the behaviour did not happen, or that something could not be removed. Simulations may run at the
// same time.
func (s Simulation) Run(ctx context.Context, e Env) (err error) {
	if err := s.Check(); err != nil {
		return err
	}
	if s.Module && e.Module == "" {
		return fmt.Errorf("simulate %s: %w", s.Rule, ErrNoModule)
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("simulate %s: %w", s.Rule, err)
	}
	dir, err := os.MkdirTemp(e.Dir, "tocsin-simulate-")
	if err != nil {
		return fmt.Errorf("simulate %s: %w", s.Rule, err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("simulate %s: %w", s.Rule, err)
	}
	if e.Log == nil {
		e.Log = func(string, ...any) {}
	}
	defer func() {
		if rmErr := os.RemoveAll(dir); rmErr != nil && err == nil {
			err = fmt.Errorf("simulate %s: remove: %w", s.Rule, rmErr)
		}
	}()
	// A container's rootfs is looked into by its user, which may not be this one.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("simulate %s: %w", s.Rule, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.run(&env{ctx: ctx, dir: dir, exe: exe, module: e.Module, log: e.Log}); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("simulate %s: %w", s.Rule, err)
	}
	return nil
}

// env is one run's surroundings.
type env struct {
	ctx    context.Context
	dir    string // its own directory, removed afterwards
	exe    string // this binary
	module string
	log    func(format string, args ...any)
}
