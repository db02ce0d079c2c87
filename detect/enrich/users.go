package enrich

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// passwdMax bounds what is read of a passwd file, in bytes: a container's is written by whoever runs in it.
	passwdMax = 1 << 20
	// usersRetry is after how long, in ns of event time, a database that could not be read is tried again.
	usersRetry = uint64(50 * time.Millisecond)
	// usersAgain is after how long, in ns of event time, an id that a database does not know has it read again.
	usersAgain = uint64(10 * time.Second)
	// usersStale is after how long, in ns of event time, a database is read again anyway.
	usersStale = uint64(10 * time.Minute)
)

// userNames are the names of user ids in the initial user namespace. A map that is published does not change.
type userNames map[uint32]string

// users is the user database of one root file system, the host's or a container's. It is read beside the events: a
// file system that does not answer delays nothing, and what is enriched before the answer has the id alone.
type users struct {
	names   atomic.Pointer[userNames]
	reading atomic.Bool
	asked   uint64 // event time of the last reading, ns; belongs to the goroutine that reads events
}

// passwdReads bounds the readings under way. One that hangs keeps its place until the file system answers.
var passwdReads = make(chan struct{}, 4)

// rooted is a process whose root is a database's; pid 0 is none that could be asked. start is in ns since boot; 0 matches
// any.
type rooted struct {
	pid   uint32
	start uint64
}

// name returns the user's name, empty when there is none or it is not known yet.
func (u *users) name(uid uint32, fs procfs, of rooted, now uint64) string {
	names := u.names.Load()
	if names != nil {
		if name, ok := (*names)[uid]; ok && now < u.asked+usersStale {
			return name
		}
	}
	if u.due(now) || names != nil && now >= u.asked+usersStale {
		u.read(fs, of, now)
	}
	if names != nil {
		return (*names)[uid]
	}
	if uid == 0 {
		return "root"
	}
	return ""
}

// due reports whether it is time to look for a name that is not known.
func (u *users) due(now uint64) bool {
	if u.names.Load() == nil {
		return now >= u.asked+usersRetry
	}
	return now >= u.asked+usersAgain
}

// settle waits for a reading under way, at the start, when no event waits yet.
func (u *users) settle(limit time.Duration) {
	for end := time.Now().Add(limit); u.reading.Load() && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
}

// read reads the database in a goroutine of its own.
func (u *users) read(fs procfs, of rooted, now uint64) {
	if of.pid == 0 || u.reading.Swap(true) {
		return
	}
	select {
	case passwdReads <- struct{}{}:
	default:
		u.reading.Store(false)
		return
	}
	u.asked = now
	go func() {
		defer func() { <-passwdReads; u.reading.Store(false) }()
		if names, ok := fs.users(of); ok {
			u.names.Store(&names)
		}
	}()
}

// users reads who the users are for a process: its root's etc/passwd, seen through its user namespace. It reports false
// when that is not to be had, and for a process that is not in a root of its own yet, such as a container's init that
// still prepares it, and would be given the host's users.
func (fs procfs) users(of rooted) (userNames, bool) {
	pid := of.pid
	root, err := unix.Open(fs.path(pid, "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(root)
	if pid != 1 {
		var here, host unix.Stat_t
		if err := unix.Fstat(root, &here); err != nil {
			return nil, false
		}
		for _, path := range []string{fs.path(1, "root"), "/"} {
			if unix.Stat(path, &host) == nil && here.Dev == host.Dev && here.Ino == host.Ino {
				return nil, false
			}
		}
	}
	if _, start, ok := fs.read(pid); of.start != 0 && (!ok || start/tick != of.start/tick) {
		return nil, false // the pid is another's by now, and so is the root
	}
	// A link in a container must not lead out of it, and a FIFO must not be waited for.
	fd, err := unix.Openat2(root, "etc/passwd", &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	var passwd []byte
	if err == nil {
		f := os.NewFile(uintptr(fd), "passwd")
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			passwd, _ = io.ReadAll(io.LimitReader(f, passwdMax))
		}
	}
	idMap, _ := os.ReadFile(fs.path(pid, "uid_map"))
	return namesOf(passwd, parseIDMap(idMap)), true
}

// idRange is a line of uid_map, see user_namespaces(7).
type idRange struct{ inside, outside, count uint64 }

func parseIDMap(b []byte) (out []idRange) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) != 3 {
			continue
		}
		var n [3]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(string(f[i]), 10, 32)
		}
		out = append(out, idRange{n[0], n[1], n[2]})
	}
	return out
}

// namesOf returns the names in a passwd file, see passwd(5), by the ids outside of the user namespace. Of two names of
// one id the first counts, as for the C library. The id 0 is root, unless the file says otherwise.
func namesOf(passwd []byte, ranges []idRange) userNames {
	if len(ranges) == 0 {
		ranges = []idRange{{0, 0, 1 << 32}}
	}
	names := userNames{}
	add := func(uid uint64, name string) {
		for _, r := range ranges {
			if uid >= r.inside && uid-r.inside < r.count {
				outside := uint32(r.outside + uid - r.inside)
				if _, ok := names[outside]; !ok {
					names[outside] = name
				}
				return
			}
		}
	}
	for line := range bytes.Lines(passwd) {
		f := bytes.SplitN(line, []byte{':'}, 4)
		if len(f) < 4 || len(f[0]) == 0 || len(f[0]) > 256 {
			continue
		}
		if uid, err := strconv.ParseUint(string(f[2]), 10, 32); err == nil {
			add(uid, string(f[0]))
		}
	}
	add(0, "root")
	return names
}
