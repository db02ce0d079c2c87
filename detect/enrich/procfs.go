package enrich

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/event"
)

// procfs reads processes below the folder where procfs is mounted; see proc_pid_stat(5) and proc_pid_status(5).
type procfs string

func (fs procfs) path(pid uint32, name string) string {
	return filepath.Join(string(fs), strconv.FormatUint(uint64(pid), 10), name)
}

// pids lists the processes that run now.
func (fs procfs) pids() []uint32 {
	dir, err := os.Open(string(fs))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	pids := make([]uint32, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.ParseUint(name, 10, 32); err == nil {
			pids = append(pids, uint32(pid))
		}
	}
	return pids
}

// read returns a running process and its start in ns since boot, as precise as /proc is. ExecID, StartTime and User
// are left to the caller. It reports false when the process is gone.
func (fs procfs) read(pid uint32) (*event.Process, uint64, bool) {
	stat, err := os.ReadFile(fs.path(pid, "stat"))
	if err != nil {
		return nil, 0, false
	}
	comm, ppid, start, ok := parseStat(stat)
	if !ok {
		return nil, 0, false
	}
	p := &event.Process{PID: pid, PPID: ppid, Comm: comm}
	if status, err := os.ReadFile(fs.path(pid, "status")); err == nil {
		p.UID, p.EUID, p.CapEff = parseStatus(status)
	}
	p.Executable, _ = os.Readlink(fs.path(pid, "exe"))
	p.Cwd, _ = os.Readlink(fs.path(pid, "cwd"))
	if cmdline, err := os.ReadFile(fs.path(pid, "cmdline")); err == nil && len(cmdline) > 0 {
		cmdline = cmdline[:min(len(cmdline), argsMax)]
		p.Args = strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	}
	return p, start * tick, true
}

// parseStat reads the command name, the parent and the start in ticks. The name stands in parentheses and may hold
// any byte, parentheses and spaces too.
func parseStat(b []byte) (comm string, ppid uint32, start uint64, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return "", 0, 0, false
	}
	f := bytes.Fields(b[end+1:]) // from the third field, the state, on
	if len(f) < 20 {
		return "", 0, 0, false
	}
	parent, err := strconv.ParseUint(string(f[1]), 10, 32)
	if err != nil {
		return "", 0, 0, false
	}
	if start, err = strconv.ParseUint(string(f[19]), 10, 64); err != nil {
		return "", 0, 0, false
	}
	return string(b[open+1 : end]), uint32(parent), start, true
}

func parseStatus(b []byte) (uid, euid uint32, capEff uint64) {
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte{':'})
		switch string(key) {
		case "Uid":
			if f := bytes.Fields(value); len(f) >= 2 {
				r, _ := strconv.ParseUint(string(f[0]), 10, 32)
				e, _ := strconv.ParseUint(string(f[1]), 10, 32)
				uid, euid = uint32(r), uint32(e)
			}
		case "CapEff":
			capEff, _ = strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		}
	}
	return uid, euid, capEff
}

// namespace returns the inode number of a namespace of a process, 0 when it cannot be read.
func (fs procfs) namespace(pid uint32, kind string) uint32 {
	link, err := os.Readlink(fs.path(pid, "ns/"+kind)) // "mnt:[4026531841]"
	if err != nil {
		return 0
	}
	_, n, _ := strings.Cut(link, "[")
	ino, _ := strconv.ParseUint(strings.TrimSuffix(n, "]"), 10, 32)
	return uint32(ino)
}
