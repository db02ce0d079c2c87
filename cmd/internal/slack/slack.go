// Package slack has the kernel wake a program up less often than it asks for.
package slack

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// timer is by how much timers may be late, in nanoseconds. Go's watchman thread (sysmon) sleeps for 20 µs at a time while anything runs, and
// that costs a router, which does a little work all the time, a seventh of its processor time.
const timer = 4_000_000

// Timer gives the timers of the whole program slack (prctl(2), PR_SET_TIMERSLACK). A thread has it from the one that created it, and the
// watchman is there before main is: so the program executes itself once, unless it was started with enough (TimerSlackNSec= of systemd).
// Call it first. Where it is not allowed the program goes on as it is.
func Timer() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now >= timer {
		return
	}
	path, err := os.Executable() // by /proc/self/exe the kernel would name the task "exe"
	if err == nil && unix.Prctl(unix.PR_SET_TIMERSLACK, timer, 0, 0, 0) == nil {
		_ = unix.Exec(path, os.Args, os.Environ())
	}
}
