package simulate

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoModule says that a simulation needs a module that it was not given.
var ErrNoModule = errors.New("it changes the kernel, in a machine of its own, by a module that must be given to it: test/kernel/module, compiled for the running kernel")

var moduleSimulations = []Simulation{
	withModule("system_call_hooked", "Has a module put a function of its own, which does nothing, into the entry of acct in the table of system calls.", "syscall"),
	withModule("hidden_kernel_module", "Has a module take itself off the list of modules.", "hide"),
	withModule("proc_listing_hooked", "Has a module put itself between /proc and who lists it. It hides nothing.", "fops"),
	withModule("kernel_function_hooked", "Has a module have itself called at each acct. It does nothing then.", "ftrace"),
}

// withModule makes a simulation that loads the module, lets it be seen, has it undo what it did, and removes it.
func withModule(rule, does, what string) Simulation {
	return Simulation{Rule: rule, Does: does, Module: true, Needs: []Need{Root}, run: func(e *env) (err error) {
		table, err := addressOf("sys_call_table")
		if err != nil {
			return err
		}
		if err := e.step("load-module", e.module, "do="+what+" table="+table); err != nil {
			return err
		}
		defer func() {
			undo := os.WriteFile("/sys/kernel/debug/tocsin_rootkit/control", []byte("undo"), 0)
			if undo != nil {
				undo = fmt.Errorf("undo, by debugfs: %w", undo)
			}
			err = errors.Join(err, undo, unix.DeleteModule("tocsin_rootkit", 0))
		}()
		// Longer than a sensor takes to look after a module was loaded, twice, on a slow machine.
		select {
		case <-time.After(5 * time.Second):
			return nil
		case <-e.ctx.Done():
			return e.ctx.Err()
		}
	}}
}

func stepLoadModule(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open module: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.FinitModule(fd, args[1], 0); err != nil {
		return fmt.Errorf("load module: %w", err)
	}
	return nil
}

// addressOf returns where a symbol of the kernel is, as /proc/kallsyms writes it.
func addressOf(symbol string) (string, error) {
	b, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == symbol {
			return "0x" + f[0], nil
		}
	}
	return "", fmt.Errorf("/proc/kallsyms does not list %s", symbol)
}
