// Command vmtest runs a program, most often a Go test binary, in a kernel under QEMU:
//
//	go build -o bin/vmtest ./test/kernel/vmtest
//	CGO_ENABLED=0 go test -exec "$PWD/bin/vmtest -kernel 6.1" ./bpf/...
//
// The program's testdata folder, its arguments and the environment variables TOCSIN_* go
// along. Its output and exit code come back as if it had run here. VMTEST_KERNEL is set in
// the guest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-io/tocsin/test/kernel"
)

const usage = `Usage: vmtest [flags] PROGRAM [ARG...]
       vmtest -check [-kernel NAME]      say whether this machine can do it
       vmtest -fetch [-kernel NAME]      download a kernel and print its path

Runs PROGRAM in a kernel under QEMU; made for go test -exec "vmtest -kernel 6.1".
Exit code: the program's; 3 if a tool or kernel is missing; 4 if the kernel stopped or timed out.

Flags:
`

// Exit codes besides the program's own.
const (
	exitUsage   = 2
	exitMissing = 3
	exitStopped = 4
)

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "vmtest: %v\n", err)
	}
	os.Exit(code)
}

func run(ctx context.Context) (int, error) {
	var add, env, modules, sources list
	fs := flag.NewFlagSet("vmtest", flag.ExitOnError)
	name := fs.String("kernel", "6.1", "kernel: "+strings.Join(kernel.Names(), ", ")+", or the path of a vmlinuz")
	fs.Var(&add, "add", "copy a file or folder `SRC[:DST]` into the guest, with its shared libraries; may repeat")
	fs.Var(&modules, "module", "put the kernel's module `NAME` at /modules/NAME.ko; may repeat")
	fs.Var(&sources, "build", "compile the kernel module in the folder `DIR` and put it at /modules; may repeat")
	fs.Var(&env, "env", "pass the environment variable `NAME[=VALUE]`; may repeat; TOCSIN_* always pass")
	cmdline := fs.String("cmdline", "", "append to the kernel command line")
	memory := fs.Int("memory", 1024, "guest memory in MiB")
	icount := fs.Bool("icount", false, "one nanosecond of guest time per instruction: clocks count instructions")
	systemd := fs.Bool("systemd", false, "boot this machine's systemd, and run PROGRAM as one of its services")
	timeout := fs.Duration("timeout", 5*time.Minute, "stop the guest after this time")
	verbose := fs.Bool("v", false, "print the kernel's console on standard error")
	check := fs.Bool("check", false, "only check that QEMU, busybox and the kernel are there")
	fetch := fs.Bool("fetch", false, "only download the kernel")
	fs.Usage = func() { fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	fs.Parse(os.Args[1:])

	cwd, err := os.Getwd()
	if err != nil {
		return exitStopped, err
	}
	if err := kernel.Check(); err != nil && !*fetch {
		return exitMissing, err
	}
	img, err := kernel.Fetch(ctx, *name, cacheDir(cwd), os.Stderr)
	if err != nil {
		return exitMissing, err
	}
	if *check || *fetch {
		for _, src := range sources { // what that takes is fetched, too
			dir, err := os.MkdirTemp("", "vmtest-modules-")
			if err != nil {
				return exitStopped, err
			}
			defer os.RemoveAll(dir)
			if _, err := img.Build(ctx, src, dir, os.Stderr); err != nil {
				return exitMissing, err
			}
		}
		fmt.Println(img.Vmlinuz)
		return 0, nil
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return exitUsage, nil
	}

	job := kernel.Job{
		Program: fs.Arg(0), Args: fs.Args()[1:], Dir: cwd, Files: map[string]string{},
		Env: append(environment(env), "VMTEST_KERNEL="+*name), Output: os.Stdout,
		Systemd: *systemd, Cmdline: *cmdline, Memory: *memory, ICount: *icount, Timeout: *timeout,
	}
	if *verbose {
		job.Console = os.Stderr
	}
	if td := filepath.Join(cwd, "testdata"); isDir(td) {
		job.Files[td] = td
	}
	for _, a := range add {
		src, dst, ok := strings.Cut(a, ":")
		if src, err = filepath.Abs(src); err != nil {
			return exitUsage, err
		}
		if !ok {
			dst = src
		}
		job.Files[dst] = src
	}
	if len(modules)+len(sources) > 0 {
		dir, err := os.MkdirTemp("", "vmtest-modules-")
		if err != nil {
			return exitStopped, err
		}
		defer os.RemoveAll(dir)
		for _, m := range modules {
			ko, err := img.Module(ctx, m, dir)
			if err != nil {
				return exitMissing, err
			}
			job.Files["/modules/"+m+".ko"] = ko
		}
		for _, src := range sources {
			ko, err := img.Build(ctx, src, dir, os.Stderr)
			if err != nil {
				return exitMissing, err
			}
			job.Files["/modules/"+filepath.Base(ko)] = ko
		}
	}
	code, err := kernel.Run(ctx, img, job)
	switch {
	case errors.Is(err, kernel.ErrMissing):
		return exitMissing, err
	case err != nil:
		return exitStopped, err
	}
	return code, nil
}

// environment is what the guest gets of ours: little, because most of it means nothing there.
func environment(asked []string) (env []string) {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "TOCSIN_") || name == "CI" || name == "GODEBUG" || name == "GOTRACEBACK" {
			env = append(env, kv)
		}
	}
	for _, a := range asked {
		if strings.Contains(a, "=") {
			env = append(env, a)
		} else if v, ok := os.LookupEnv(a); ok {
			env = append(env, a+"="+v)
		}
	}
	return env
}

// cacheDir is .cache of the module that dir lies in, or the user's cache outside of one.
func cacheDir(dir string) string {
	if d := os.Getenv("TOCSIN_CACHE"); d != "" {
		return d
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return filepath.Join(d, ".cache")
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	if d, err := os.UserCacheDir(); err == nil {
		return filepath.Join(d, "tocsin")
	}
	return filepath.Join(os.TempDir(), "tocsin-cache")
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}
