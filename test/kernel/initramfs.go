package kernel

import (
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// archive writes a cpio archive in the "newc" format, the one that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst). The first error sticks.
type archive struct {
	w    io.Writer
	err  error
	ino  int
	size int64
	seen map[string]bool
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, seen: map[string]bool{"": true, ".": true, "/": true}}
}

func (a *archive) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
		a.size += int64(len(b))
	}
}

func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *archive) pad() { a.write(make([]byte, -a.size&3)) }

// entry adds one name, with its parent folders, whose content has size bytes. mode is as in
// stat(2).
func (a *archive) entry(name string, mode uint32, rdev [2]int, size int64, content io.Reader) {
	name = strings.Trim(filepath.Clean(name), "/")
	if a.seen[name] {
		return
	}
	a.seen[name] = true
	a.dir(filepath.Dir(name))
	a.ino++
	a.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, 1, 0, size, 0, 0, rdev[0], rdev[1], len(name)+1, 0, name))
	a.pad()
	if a.err == nil && size > 0 {
		var n int64
		if n, a.err = io.CopyN(a.w, content, size); a.err != nil {
			a.err = fmt.Errorf("add %s to the initramfs: %w", name, a.err)
		}
		a.size += n
	}
	a.pad()
}

func (a *archive) dir(name string) {
	if name != "/" && name != "." {
		a.entry(name, 0o040755, [2]int{}, 0, nil)
	}
}

func (a *archive) text(name string, mode uint32, content string) {
	a.entry(name, 0o100000|mode, [2]int{}, int64(len(content)), strings.NewReader(content))
}

func (a *archive) symlink(name, target string) {
	a.entry(name, 0o120777, [2]int{}, int64(len(target)), strings.NewReader(target))
}

func (a *archive) device(name string, major, minor int) {
	a.entry(name, 0o020600, [2]int{major, minor}, 0, nil)
}

// file adds the file src, following symbolic links, and what it needs to run if it is a
// dynamic executable.
func (a *archive) file(dst, src string) {
	if a.err != nil {
		return
	}
	f, err := os.Open(src)
	if err != nil {
		a.err = err
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		a.err = err
		return
	}
	a.entry(dst, 0o100000|uint32(st.Mode().Perm()), [2]int{}, st.Size(), f)
	a.libraries(src)
}

// libraries adds the interpreter and the shared libraries of a dynamic executable at the
// paths where its loader finds them.
func (a *archive) libraries(src string) {
	e, err := elf.Open(src)
	if err != nil {
		return // not an executable
	}
	defer e.Close()
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		interp, err := io.ReadAll(p.Open())
		if err != nil {
			a.err = err
			return
		}
		loader := strings.TrimRight(string(interp), "\x00")
		a.file(loader, loader)
	}
	dirs, _ := e.DynString(elf.DT_RUNPATH)
	// A library without a path of its own counts on that of the program, which is where it lies itself.
	dirs = append(dirs, filepath.Dir(src), "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
	libs, _ := e.ImportedLibraries()
	for _, lib := range libs {
		found := false
		for _, dir := range dirs {
			if p := filepath.Join(dir, lib); exists(p) {
				a.file(p, p)
				found = true
				break
			}
		}
		if !found && a.err == nil {
			a.err = fmt.Errorf("add %s to the initramfs: its library %s was not found", src, lib)
		}
	}
}

// tree adds a file or a whole folder.
func (a *archive) tree(dst, src string) {
	err := filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			a.dir(to)
		case d.Type()&fs.ModeSymlink != 0 && p != src:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			a.symlink(to, target)
		case d.Type().IsRegular() || p == src:
			a.file(to, p)
		}
		return a.err
	})
	if a.err == nil {
		a.err = err
	}
}

func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, [2]int{}, 0, nil)
	return a.err
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// busybox finds a busybox that runs with no library beside it.
func busybox() (string, error) {
	for _, name := range []string{"busybox-static", "busybox"} {
		p, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		e, err := elf.Open(p)
		if err != nil {
			continue
		}
		libs, err := e.ImportedLibraries()
		e.Close()
		if err == nil && len(libs) == 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: no static busybox: install the package busybox-static", ErrMissing)
}

// initramfs writes the file system that the kernel starts with.
func initramfs(w io.Writer, box string, job Job) error {
	a := newArchive(w)
	a.device("/dev/console", 5, 1)
	a.device("/dev/null", 1, 3)
	a.text("/init", 0o755, initScript)
	a.text("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
	a.text("/etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n")
	a.text("/etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n")
	a.text("/etc/nsswitch.conf", 0o644, "hosts: files dns\n")
	a.text("/vmtest/run", 0o755, runScript(job))
	a.file("/bin/busybox", box)
	a.symlink("/bin/sh", "busybox")
	for _, d := range []string{"/proc", "/sys", "/tmp", "/run", "/root", "/var/tmp", "/usr/bin", "/usr/sbin", "/sbin", "/newroot"} {
		a.dir(d)
	}
	a.file("/vmtest/program", job.Program)
	if job.Dir != "" {
		a.dir(job.Dir)
	}
	if job.Systemd {
		a.systemd()
	}
	for dst, src := range job.Files {
		if !exists(src) {
			return fmt.Errorf("add to the initramfs: %w", &fs.PathError{Op: "stat", Path: src, Err: fs.ErrNotExist})
		}
		a.tree(dst, src)
	}
	if err := a.close(); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	return nil
}

// runScript is what the init starts: the program with its environment and arguments.
func runScript(job Job) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	for _, kv := range job.Env {
		name, value, _ := strings.Cut(kv, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(value))
	}
	if job.Dir != "" {
		fmt.Fprintf(&b, "cd %s\n", quote(job.Dir))
	}
	b.WriteString("exec /vmtest/program")
	for _, arg := range job.Args {
		b.WriteString(" " + quote(arg))
	}
	b.WriteString("\n")
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
