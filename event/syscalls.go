package event

import "strconv"

var syscallNumbers = func() map[string]int32 {
	m := make(map[string]int32, len(syscallNames))
	for nr, n := range syscallNames {
		if n != "" {
			m[n] = int32(nr)
		}
	}
	return m
}()

// SyscallName returns the name of a system call of this architecture; an unknown number is its decimal text,
// no system call (-1) the empty one.
func SyscallName(nr int32) string {
	switch {
	case nr < 0:
		return ""
	case int(nr) < len(syscallNames) && syscallNames[nr] != "":
		return syscallNames[nr]
	}
	return strconv.Itoa(int(nr))
}

// SyscallNumber returns the number of the named system call on this architecture, or -1.
func SyscallNumber(name string) int32 {
	if nr, ok := syscallNumbers[name]; ok {
		return nr
	}
	return -1
}
