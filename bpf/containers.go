package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// container is struct container of sensor.h.
type container struct {
	Root    uint64
	Started uint32
	_       uint32
}

// A hierarchy is the tree of control groups that names containers.
type hierarchy struct {
	id     uint32 // 0 is version 2
	subsys int32  // index of its controller, -1 for version 2
	mount  string // where it is mounted, "" when it is not
}

// controllers are the ones of version 1 to look at, the first that is in use.
var controllers = []string{"pids", "cpuset", "memory", "freezer", "devices"}

// findHierarchy picks version 2, unless the controllers belong to version 1.
func findHierarchy(f *Features) (hierarchy, error) {
	h := hierarchy{subsys: -1}
	cgroups, err := os.Open("/proc/cgroups")
	if err == nil {
		defer cgroups.Close()
		ids := map[string]int{}
		for sc := bufio.NewScanner(cgroups); sc.Scan(); {
			if cols := strings.Fields(sc.Text()); len(cols) == 4 {
				ids[cols[0]], _ = strconv.Atoi(cols[1])
			}
		}
		var enum *btf.Enum
		if err := f.find("cgroup_subsys_id", &enum); err != nil {
			return h, fmt.Errorf("read the kernel's cgroup controllers: %w", err)
		}
		for _, c := range controllers {
			i := slices.IndexFunc(enum.Values, func(v btf.EnumValue) bool { return v.Name == c+"_cgrp_id" })
			if ids[c] != 0 && i >= 0 {
				h.id, h.subsys = uint32(ids[c]), int32(enum.Values[i].Value)
				h.mount, err = mountOf("cgroup", c)
				return h, err
			}
		}
	}
	h.mount, err = mountOf("cgroup2", "")
	return h, err
}

// mountOf returns where a file system with the given option is mounted.
func mountOf(fstype, option string) (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find cgroup mount: %w", err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		before, after, ok := strings.Cut(sc.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 || right[0] != fstype {
			continue
		}
		if option == "" || slices.Contains(strings.Split(right[2], ","), option) {
			return left[4], nil
		}
	}
	return "", nil
}

// containers returns the control groups of containers that exist, those below them included.
func (h hierarchy) containers() (map[uint64]string, error) {
	found := map[uint64]string{}
	if h.mount == "" {
		return found, nil
	}
	err := filepath.WalkDir(h.mount, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		id := ContainerID(strings.TrimPrefix(path, h.mount))
		if id == "" {
			return nil
		}
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil {
			found[st.Ino] = id
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for containers in %s: %w", h.mount, err)
	}
	return found, nil
}

const idLen = 64

// ContainerID returns the id of the container that a control group belongs to, by the innermost part of its path that
// ends in 64 hexadecimal digits: "/docker/<id>", "/system.slice/docker-<id>.scope", "…/libpod-<id>.scope/container".
// It returns "" when there is none, and for the groups of a container's monitor ("crio-conmon-<id>.scope").
func ContainerID(path string) string {
	for path != "" && path != "/" {
		var part string
		path, part = filepath.Split(strings.TrimSuffix(path, "/"))
		part = strings.TrimSuffix(part, ".scope")
		if len(part) < idLen {
			continue
		}
		prefix, id := part[:len(part)-idLen], part[len(part)-idLen:]
		if strings.Trim(id, "0123456789abcdef") == "" && !strings.HasSuffix(prefix, "conmon-") {
			return id
		}
	}
	return ""
}
