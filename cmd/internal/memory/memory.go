// Package memory keeps a program that lives for months small after a start that takes much: compiling rules allocates many times
// what they weigh, and runs most of the program's code once.
package memory

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Percentages of garbage beside what lives (GOGC). What events allocate is little, so a small heap costs few collections;
// the start allocates much, but what it leaves in pieces can never be given back.
const (
	startPercent  = 30
	attachPercent = 10 // little lives, and for a second
	steadyPercent = 25
)

// Start is called before a program loads what it works with. What its packages made of themselves until then is given back too.
func Start() { settle(startPercent) }

// Attach is called between loading rules and attaching to the kernel, whose programs and types, decoded, would come on top of
// what rules took: this is the moment at which a sensor takes the most.
func Attach() { settle(attachPercent) }

// Settle is called when the program has loaded what it works with: it gives back what that has taken.
func Settle() { settle(steadyPercent) }

func settle(percent int) {
	setPercent(percent)
	debug.FreeOSMemory()
	forgetCode()
}

// routerLimit, in bytes, is up to where the router's memory grows before garbage is collected. It allocates much and keeps little: with a
// percentage of the little, what is collected would go back to the system and be asked for again all the time, at a tenth of its time.
const routerLimit = 75 << 20

// Router is called by a program that does nothing but route.
func Router() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(routerLimit)
	}
	setPercent(-1)
}

// setPercent leaves the user's own choice in place.
func setPercent(p int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(p)
	}
}

// forgetCode unmaps the pages of the program's own file that were only read. The kernel maps those that are used again from its
// cache; that is a few of what loading has touched.
func forgetCode() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) { // 00400000-012da000 r-xp 00000000 fe:00 1234  /usr/bin/tocsin
		f := bytes.Fields(line)
		if len(f) != 6 || string(f[5]) != exe {
			continue
		}
		from, to, _ := bytes.Cut(f[0], []byte{'-'})
		start, err1 := strconv.ParseUint(string(from), 16, 64)
		end, err2 := strconv.ParseUint(string(to), 16, 64)
		if err1 != nil || err2 != nil {
			continue
		}
		advice := unix.MADV_DONTNEED
		if f[1][1] == 'w' { // what was written must stay
			advice = unix.MADV_PAGEOUT
		}
		// It is the program's own text: an address of it, moved to the start of the mapping.
		base := unsafe.Pointer(unsafe.StringData(anchor))
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(base, int64(start)-int64(uintptr(base)))), end-start), advice) // it is a favour
	}
}

const anchor = "memory"
