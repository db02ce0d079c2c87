package confine

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const child = "TOCSIN_TEST_CONFINED"

// TestApply runs itself as a process of its own: confinement is for good.
func TestApply(t *testing.T) {
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestApply$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		} else if bytes.Contains(out, []byte("SKIP")) {
			t.Skip(string(out))
		}
		return
	}
	// Several threads, each of which must be confined.
	ready, done := make(chan struct{}), make(chan struct{})
	threads := make(chan error, 4)
	for range cap(threads) {
		go func() {
			runtime.LockOSThread()
			ready <- struct{}{}
			<-done
			if err := unix.Unshare(unix.CLONE_NEWUTS); !errors.Is(err, unix.EPERM) {
				threads <- errors.New("unshare is possible")
				return
			}
			threads <- nil
		}()
	}
	for range cap(threads) {
		<-ready
	}
	if err := Apply(Options{}); err != nil {
		if errors.Is(err, unix.ENOTSUP) {
			t.Skip("cgo is in this binary: threads cannot be confined together")
		}
		t.Fatal(err)
	}
	close(done)
	for range cap(threads) {
		if err := <-threads; err != nil {
			t.Error(err)
		}
	}
	if err := exec.Command("/bin/true").Run(); !errors.Is(err, unix.EPERM) {
		t.Errorf("a program was run: %v", err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":\t")
		switch {
		case name == "NoNewPrivs" && value != "1", name == "Seccomp" && value != "2":
			t.Error(line)
		case name == "CapEff" && os.Geteuid() == 0:
			if value != "000000c000080004" {
				t.Error(line)
			}
		}
	}
	if _, err := os.ReadFile("/proc/1/stat"); err != nil {
		t.Error(err)
	}
}
