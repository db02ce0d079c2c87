package app

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/cmd/internal/filter"
	"github.com/tocsin-io/tocsin/event"
)

// Templates written for Tracee name fields as Go does.
func TestTemplateFields(t *testing.T) {
	for text, want := range map[string]string{
		`{{.ProcessName}} {{.HostProcessID}} {{.MountNS}}`:             `{{.processName}} {{.hostProcessId}} {{.mountNamespace}}`,
		`{{.processName}} {{.executable.path}} {{.kubernetes.podUID}}`: `{{.processName}} {{.executable.path}} {{.kubernetes.podUID}}`,
		`{{range .Args}}{{.Name}}={{.Value}} {{end}}{{.Container.ID}}`: `{{range .args}}{{.name}}={{.value}} {{end}}{{.container.id}}`,
		`{{printf "%s.X\"" .Kubernetes.PodUID}}`:                       `{{printf "%s.X\"" .kubernetes.podUID}}`,
	} {
		if got := traceeFields.ReplaceAllStringFunc(text, fieldName); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// Of a set, what the kernel cannot give is left out; an event asked for by its name is not.
func TestEventsWithoutHook(t *testing.T) {
	hooks := map[string]hookInfo{
		"cgroup_mkdir": {Hook: "tp_btf"}, "cgroup_rmdir": {Reason: "no tracepoint"},
		"container_create": {Reason: "made in user space from cgroup_mkdir"}, "container_remove": {unknown: true}, "existing_container": {Reason: "no tracepoint"},
	}
	for _, c := range []struct{ exprs, left, err string }{
		{exprs: "cgroup_mkdir,container_remove"},
		{exprs: "containers", left: "cgroup_rmdir existing_container"},
		{exprs: "containers,cgroup_rmdir", err: "cannot show cgroup_rmdir: no tracepoint"},
		{exprs: "cgroup_rm*", err: "none of cgroup_rmdir"},
	} {
		f, err := filter.Parse([]string{c.exprs}, filter.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		left, err := withoutHook(f, hooks)
		switch {
		case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v", c.exprs, err)
		case err == nil && (strings.Join(left, " ") != c.left || slices.ContainsFunc(left, func(n string) bool { return slices.Contains(f.Names(), n) })):
			t.Errorf("%s: left out %q of %q", c.exprs, left, f.Names())
		}
	}
}

func TestUserIDs(t *testing.T) {
	if ids, err := userIDs([]string{"33", "root"}); err != nil || !slices.Equal(ids, []uint32{33, 0}) {
		t.Error(ids, err)
	}
	for _, n := range []string{"-1", "4294967296", "no such user"} {
		if ids, err := userIDs([]string{n}); err == nil {
			t.Errorf("%s: %v", n, ids)
		}
	}
}

func TestCgroupOfAnotherTree(t *testing.T) {
	const tree = "/proc" // any file system but that of the folder
	if err := inHierarchy([]string{"/proc/self", "17"}, tree); err != nil {
		t.Error(err)
	}
	if err := inHierarchy([]string{t.TempDir()}, tree); err == nil {
		t.Error("a folder of another tree was taken")
	}
}

// Whatever the width, a row shows the beginning of the arguments.
func TestNarrowTable(t *testing.T) {
	b := event.New(event.ByName("security_file_open"))
	b.Header().SetComm("a-long-command")
	if err := b.Set("pathname", "/etc/passwd"); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []string{"", "80", "120"} {
		t.Setenv("COLUMNS", columns)
		var out bytes.Buffer
		w, err := newEventWriter(&out, "table", []string{"security_file_open", "security_kernel_read_file"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.write(b.Event()); err != nil {
			t.Fatal(err)
		}
		if width, _ := strconv.Atoi(columns); !strings.Contains(out.String(), "/etc/passwd") || width > 0 && utf8.RuneCount(bytes.TrimSpace(out.Bytes())) > width {
			t.Errorf("%s columns: %q", columns, out.String())
		}
	}
}
