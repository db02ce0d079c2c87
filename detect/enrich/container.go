package enrich

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// rootCgroup is the id of a hierarchy's root. Where no hierarchy can be read, every process has it or 0.
const rootCgroup = 1

// cgroupsMax bounds the remembered control groups.
const cgroupsMax = 16384

// ErrNoRuntime is returned by a Resolver when there is no container runtime that could be asked.
var ErrNoRuntime = errors.New("no container runtime is here")

// A Resolver asks a container runtime what it knows of a container. It may take its time, and is given up when ctx
// ends. Fields that it leaves empty keep what the control group told. After an error it is asked again for some
// seconds, unless that is ErrNoRuntime.
type Resolver interface {
	Resolve(ctx context.Context, id string) (event.Container, event.Kubernetes, error)
}

// container is one container, and what is known of it so far.
type container struct {
	id       string
	meta     atomic.Pointer[metadata]
	resolved atomic.Bool // nothing more is to be expected of the runtime
	users    users
	told     bool   // the event about its start is made
	made     uint64 // when its group was made, wall clock in ns, as near as the scan can tell; 0 for one that came later
}

type metadata struct {
	container  *event.Container
	kubernetes *event.Kubernetes
}

// containers maps control groups to containers. All but the metadata belongs to the goroutine that reads events.
type containers struct {
	opts     *Options
	tree     hierarchy
	mntNS    uint32 // the host's namespaces, to know a host process by
	pidNS    uint32
	cgroups  map[uint64]*container // nil for a control group that is no container's
	byID     map[string]*container
	count    atomic.Int64
	ctx      context.Context
	stop     context.CancelFunc
	resolves sync.WaitGroup
	slots    chan struct{} // bounds the look-ups under way
}

func (cs *containers) init(opts *Options) {
	cs.opts = opts
	cs.cgroups, cs.byID = map[uint64]*container{}, map[string]*container{}
	cs.ctx, cs.stop = context.WithCancel(context.Background())
	cs.slots = make(chan struct{}, 8)
	p := procfs(opts.ProcRoot)
	cs.tree = openHierarchy(opts.CgroupMount, opts.CgroupHierarchy)
	cs.mntNS, cs.pidNS = p.namespace(1, "mnt"), p.namespace(1, "pid")
}

func (cs *containers) close() {
	cs.stop()
	cs.resolves.Wait()
	cs.tree.close()
}

// hierarchy is the tree of control groups whose ids the events carry.
type hierarchy struct {
	mount string // "" when it is not to be seen from here
	id    uint64 // as events and /proc/<pid>/cgroup number it; 0 is version 2
	dir   int    // the mount, opened; -1 when it is not
}

// fileIDKernfs is the type of the file handles of kernfs, whose content is the 64-bit id (FILEID_KERNFS,
// include/linux/exportfs.h).
const fileIDKernfs = 0xfe

func openHierarchy(mount string, id uint32) hierarchy {
	h := hierarchy{mount: mount, id: uint64(id), dir: -1}
	if mount != "" {
		if fd, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			h.dir = fd
		}
	}
	return h
}

func (h hierarchy) close() {
	if h.dir >= 0 {
		unix.Close(h.dir)
	}
}

// pathOf returns the path of the group with that id, as long as it exists. It needs CAP_DAC_READ_SEARCH.
func (h hierarchy) pathOf(id uint64) (string, bool) {
	if h.dir < 0 {
		return "", false
	}
	handle := unix.NewFileHandle(fileIDKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(h.dir, handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	return path, err == nil
}

// scan finds the containers that run now by the folders of their control groups, whose inode numbers are their ids.
func (cs *containers) scan() {
	if cs.tree.mount == "" {
		return
	}
	_ = filepath.WalkDir(cs.tree.mount, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // a group that vanished meanwhile
		}
		if c := cs.get(path); c != nil && len(cs.cgroups) < cgroupsMax {
			if info, err := d.Info(); err == nil {
				if st, ok := info.Sys().(*syscall.Stat_t); ok {
					cs.cgroups[st.Ino] = c
					if made := uint64(st.Ctim.Nano()); c.made == 0 || made < c.made {
						c.made = made
					}
				}
			}
		}
		return nil
	})
}

// mkdir learns of a new group. It returns the container when the group is a new container's own.
func (cs *containers) mkdir(id uint64, path string, hierarchy uint64) *container {
	cid, _, own := containerID(path)
	if cid == "" {
		return nil
	}
	c := cs.get(path)
	// Each hierarchy numbers its groups on its own: the container counts, the id could be mistaken for another's.
	if hierarchy != cs.tree.id {
		return nil
	}
	cs.remember(id, c)
	if !own {
		return nil
	}
	return c
}

// inode returns the id of the group with that path.
func (cs *containers) inode(path string) (uint64, bool) {
	if cs.tree.mount == "" || path == "" {
		return 0, false
	}
	var st unix.Stat_t
	if unix.Stat(filepath.Join(cs.tree.mount, path), &st) != nil {
		return 0, false
	}
	return st.Ino, true
}

// rmdir forgets a group. It returns the container when the group was a container's own.
func (cs *containers) rmdir(id uint64, path string, hierarchy uint64) *container {
	cid, _, own := containerID(path)
	if hierarchy != cs.tree.id {
		return nil
	}
	delete(cs.cgroups, id)
	c := cs.byID[cid]
	if cid == "" || !own || c == nil {
		return nil
	}
	delete(cs.byID, cid)
	cs.count.Store(int64(len(cs.byID)))
	return c
}

// of returns the container that an event happened in, nil for the host: by its control group. One that no event and no
// scan has told of is looked up by its id, or, where that is not possible, through /proc.
func (cs *containers) of(ev *event.Event) *container {
	id := ev.CgroupID
	if id <= rootCgroup {
		if ev.MntNS == cs.mntNS && ev.PidNS == cs.pidNS {
			return nil
		}
		return cs.ofProcess(ev.HostPID)
	}
	c, ok := cs.cgroups[id]
	if ok && (c != nil || ev.Flags&event.FlagContainer == 0) {
		return c
	}
	if path, found := cs.tree.pathOf(id); found {
		c = cs.get(path)
		cs.remember(id, c)
		return c
	}
	line := cs.procCgroup(ev.HostPID)
	c = cs.find(line)
	// The process may have moved since the event: only what is certainly this group's is remembered.
	if ino, found := cs.inode(cs.tree.path(line)); found && ino == id {
		cs.remember(id, c)
	}
	return c
}

func (cs *containers) remember(id uint64, c *container) {
	if len(cs.cgroups) >= cgroupsMax {
		for old, was := range cs.cgroups {
			if was == nil {
				delete(cs.cgroups, old)
			}
		}
		if len(cs.cgroups) >= cgroupsMax {
			clear(cs.cgroups)
		}
	}
	cs.cgroups[id] = c
}

// ofProcess returns the container of a running process by its control groups in /proc.
func (cs *containers) ofProcess(pid uint32) *container { return cs.find(cs.procCgroup(pid)) }

func (cs *containers) procCgroup(pid uint32) []byte {
	b, _ := os.ReadFile(procfs(cs.opts.ProcRoot).path(pid, "cgroup"))
	return b
}

// find returns the container that a /proc/<pid>/cgroup names in any hierarchy.
func (cs *containers) find(cgroups []byte) *container {
	for line := range bytes.Lines(cgroups) {
		if c := cs.get(string(bytes.TrimSuffix(line, []byte{'\n'}))); c != nil {
			return c
		}
	}
	return nil
}

// path returns the group in this hierarchy that a /proc/<pid>/cgroup names.
func (h hierarchy) path(cgroups []byte) string {
	prefix := strconv.AppendUint(nil, h.id, 10)
	prefix = append(prefix, ':')
	for line := range bytes.Lines(cgroups) {
		if rest, ok := bytes.CutPrefix(line, prefix); ok {
			_, path, _ := bytes.Cut(rest, []byte{':'})
			return string(bytes.TrimSuffix(path, []byte{'\n'}))
		}
	}
	return ""
}

// get returns the container whose control group, or one above it, has that path; nil when it is no container's.
func (cs *containers) get(path string) *container {
	id, runtime, _ := containerID(path)
	if id == "" {
		return nil
	}
	if c := cs.byID[id]; c != nil {
		return c
	}
	if len(cs.byID) >= cgroupsMax {
		clear(cs.byID)
	}
	id = strings.Clone(id)
	c := &container{id: id}
	m := &metadata{container: &event.Container{ID: id, Runtime: runtime}}
	if uid := podUID(path); uid != "" {
		m.kubernetes = &event.Kubernetes{PodUID: uid}
	}
	c.meta.Store(m)
	cs.byID[id] = c
	cs.count.Store(int64(len(cs.byID)))
	cs.resolve(c)
	return c
}

// resolve asks the runtime for names, beside the events: those that come before the answer go without.
func (cs *containers) resolve(c *container) {
	if cs.opts.Resolve == nil {
		return
	}
	cs.resolves.Go(func() {
		defer c.resolved.Store(true)
		select {
		case cs.slots <- struct{}{}:
			defer func() { <-cs.slots }()
		case <-cs.ctx.Done():
			return
		}
		// The control group comes before the runtime has stored the container: ask again for a while.
		for wait := 50 * time.Millisecond; wait < 5*time.Second; wait *= 2 {
			ctx, cancel := context.WithTimeout(cs.ctx, 2*time.Second)
			found, pod, err := cs.opts.Resolve.Resolve(ctx, c.id)
			cancel()
			if err == nil {
				c.meta.Store(c.meta.Load().with(found, pod))
				return
			}
			if errors.Is(err, ErrNoRuntime) {
				return
			}
			select {
			case <-time.After(wait):
			case <-cs.ctx.Done():
				return
			}
		}
		cs.opts.Logger.Debug("no runtime knows the container", "container", c.id)
	})
}

func (m *metadata) with(found event.Container, pod event.Kubernetes) *metadata {
	c := *m.container
	set(&c.Name, found.Name)
	set(&c.Image, found.Image)
	set(&c.ImageDigest, found.ImageDigest)
	set(&c.Runtime, found.Runtime)
	out := &metadata{container: &c, kubernetes: m.kubernetes}
	if pod.PodName != "" || pod.PodUID != "" {
		if m.kubernetes != nil {
			set(&pod.PodUID, first(pod.PodUID, m.kubernetes.PodUID))
		}
		out.kubernetes = &pod
	}
	return out
}

func set(dst *string, s string) {
	if s != "" {
		*dst = s
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// runtimes are the prefixes that container managers put before the id in the name of a systemd scope.
var runtimes = []struct{ prefix, name string }{
	{"docker-", "docker"}, {"cri-containerd-", "containerd"}, {"crio-", "crio"}, {"libpod-", "podman"}, {"nerdctl-", "containerd"},
}

// containerID returns the container that a control group's path names, by its last component with 64 hexadecimal
// digits, and the runtime where the path tells it. own says that the path is the container's group itself.
func containerID(path string) (id, runtime string, own bool) {
	for end, last := len(path), true; end > 0; last = false {
		start := strings.LastIndexByte(path[:end], '/') + 1
		name := path[start:end]
		if i := len(strings.TrimSuffix(name, ".scope")) - 64; i >= 0 && isHex(name[i:i+64]) {
			prefix := name[:i]
			if strings.HasSuffix(prefix, "conmon-") {
				return "", "", false // the monitor beside the container
			}
			if i == 0 || prefix[i-1] == '-' || prefix[i-1] == ':' {
				return name[i : i+64], runtimeOf(prefix, path[:start]), last
			}
		}
		end = start - 1
	}
	return "", "", false
}

func runtimeOf(prefix, above string) string {
	for _, r := range runtimes {
		if prefix == r.prefix {
			return r.name
		}
	}
	switch {
	case strings.Contains(prefix, ":cri-containerd:"), strings.Contains(above, ":cri-containerd:"):
		return "containerd"
	case strings.HasSuffix(above, "/docker/"):
		return "docker"
	case strings.HasSuffix(above, "/libpod_parent/"):
		return "podman"
	}
	return ""
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// podUID returns the pod of a control group's path: ".../kubepods-burstable-pod<uid>.slice/…" (with "_" for "-") or
// "/kubepods/burstable/pod<uid>/…".
func podUID(path string) string {
	const size = 36
	i := strings.LastIndex(path, "pod")
	for ; i >= 0; i = strings.LastIndex(path[:i], "pod") {
		rest := path[i+len("pod"):]
		if len(rest) < size || len(rest) > size && rest[size] != '.' && rest[size] != '/' {
			continue
		}
		uid := strings.ReplaceAll(rest[:size], "_", "-")
		if strings.Count(uid, "-") == 4 && isHex(strings.ReplaceAll(uid, "-", "")) {
			return strings.Clone(uid) // path may be an event's
		}
	}
	return ""
}
