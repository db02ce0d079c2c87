// Package harness starts Tocsin's real programs, real containers and real receivers for the
// tests that work from the outside: test/e2e, test/faults and the router's benchmark.
//
// A test package that uses it calls [Main] from TestMain. Everything that a function here
// starts ends with the test that it was given.
package harness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Main runs the tests of a package, or, when the test binary was started as a helper inside a
// container, that helper. It does not return.
func Main(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		os.Exit(helper(os.Args[1:]))
	}
	code := m.Run()
	if built.dir != "" && os.Getenv(binEnv) == "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// binEnv names a folder with binaries to test instead of building them, for machines
// without Go, such as a guest under QEMU.
const binEnv = "TOCSIN_BIN"

var built struct {
	once sync.Once
	dir  string
	err  error
}

// Binary returns the path of a program of cmd/, built once for the whole package.
func Binary(t testing.TB, name string) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir = os.Getenv(binEnv); built.dir != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "tocsin-bin-"); built.err != nil {
			return
		}
		os.Chmod(built.dir, 0o755) // tests run programs as nobody
		cmd := exec.Command("go", "build", "-o", built.dir+"/", "./cmd/...")
		cmd.Dir = Root(t)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build ./cmd/...: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// Root returns the folder of the module.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test's folder")
	return ""
}

// NeedRoot skips a test that loads BPF or starts containers where it may not.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root (BPF, containers): sudo env PATH=\"$PATH\" go run ./test")
	}
}

// FreeAddr returns a loopback address that nothing listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// WriteFile writes a file in a fresh folder of the test and returns its path.
func WriteFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ErrNotYet is what a condition of [Eventually] returns for "wait on".
var ErrNotYet = errors.New("not yet")

// patience is how many times a limit is waited for, which is meant for a machine with nothing else to do: a test that fails is
// told of later, and one that passes takes no longer.
const patience = 3

// Eventually polls until check returns nil, and fails the test with its last error if that
// takes much longer than limit.
func Eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	limit *= patience
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond * Slow()) // an emulated machine has better things to do
	}
}

// Slow is how much longer than on a normal machine things may take here: kernels under
// emulation are slow.
func Slow() time.Duration {
	if os.Getenv("VMTEST_KERNEL") != "" {
		return 10
	}
	return 1
}

// indent makes a quoted block of a program's log.
func indent(s string) string {
	return "    | " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    | ")
}
