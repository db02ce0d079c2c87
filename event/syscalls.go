package event

import "strconv"

//go:generate go run ./internal/syscallgen

// firstSyscall is the id of the event of system call 0; the catalogue's own are below.
const firstSyscall = 512

var syscallEvents []Def

// Syscalls returns the events of all system calls of this architecture that the catalogue does not have, by number. They are
// selected by name, or as the set "syscalls". The slice is shared: do not change it.
func Syscalls() []Def { return syscallEvents }

func makeSyscallEvents() []Def {
	var defs []Def
	for nr, name := range syscallNames {
		if name == "" || byName[name] != nil {
			continue
		}
		proto, ok := archProtos[name]
		if !ok {
			proto = syscallProtos[name]
		}
		defs = append(defs, Def{ID: firstSyscall + ID(nr), Name: name, Sets: []string{"syscalls"}, Doc: "System call " + name + ".", Proto: proto})
	}
	return defs
}

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
