package kernel

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Build compiles the one kernel module in the folder source (a Kbuild file and C) for the image, and returns the path of the .ko in dir. It
// needs make and gcc, and the headers of the kernel, which the first call downloads beside the image (some 14 MB).
func (i Image) Build(ctx context.Context, source, dir string, log io.Writer) (string, error) {
	headers, err := i.headers(ctx, log)
	if err != nil {
		return "", err
	}
	for _, tool := range []string{"make", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: build a kernel module: %s not found: install the package %[2]s", ErrMissing, tool)
		}
	}
	work := filepath.Join(dir, filepath.Base(source))
	if err := os.CopyFS(work, os.DirFS(source)); err != nil {
		return "", fmt.Errorf("build kernel module: %w", err)
	}
	// Without an option of gcc 13, and without BTF of the module, which takes pahole.
	cmd := exec.CommandContext(ctx, "make", "-C", headers, "M="+work, "CC=gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kernel module %s: %w\n%s", source, err, out)
	}
	built, _ := filepath.Glob(filepath.Join(work, "*.ko"))
	if len(built) != 1 {
		return "", fmt.Errorf("build kernel module %s: %d modules came out of it", source, len(built))
	}
	return built[0], nil
}

// headers returns the folder to build modules for the image in.
func (i Image) headers(ctx context.Context, log io.Writer) (string, error) {
	at := slices.IndexFunc(Releases, func(r Release) bool { return r.Name == i.name })
	if at < 0 || i.Modules == "" || i.Arch != "" {
		return "", fmt.Errorf("%w: build a kernel module: no headers are known for %s", ErrMissing, i.Vmlinuz)
	}
	// linux-image-6.1.0-50-cloud-amd64_6.1.176-1_amd64.deb
	version, _, _ := strings.Cut(filepath.Base(i.Modules), "_")
	_, version, _ = strings.Cut(strings.TrimPrefix(version, "linux-"), "-")
	cache := filepath.Dir(i.Vmlinuz)
	unlock, err := lock(filepath.Join(cache, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := filepath.Join(cache, "headers")
	headers := filepath.Join(dir, "usr/src/linux-headers-"+version)
	if exists(headers) {
		return headers, nil
	}
	fmt.Fprintf(log, "vmtest: downloading the headers of Linux %s into %s\n", version, dir)
	// Whole or not at all.
	part, err := os.MkdirTemp(cache, "headers-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if pinned := Releases[at].headers; pinned != nil {
		if _, err = getPinned(ctx, pinned, part, log); err == nil {
			err = unpackAll(ctx, part)
		}
	} else {
		err = downloadHeaders(ctx, Releases[at], version, part, dir)
	}
	if err != nil {
		return "", fmt.Errorf("%w: download the headers of Linux %s: %w", ErrMissing, version, err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(part, dir)); err != nil {
		return "", err
	}
	return headers, nil
}

var headerPackages = regexp.MustCompile(`\blinux-(?:headers-[^ ,]*-common|kbuild-[^ ,]*)`)

// downloadHeaders unpacks the headers and what builds with them into part, to be used in dir.
func downloadHeaders(ctx context.Context, r Release, version, part, dir string) error {
	apt, done, err := openApt(ctx, r, part)
	if err != nil {
		return err
	}
	defer done()
	shown, err := apt("apt-cache", "show", "--no-all-versions", "linux-headers-"+version)
	if err != nil {
		return err
	}
	_, depends, _ := strings.Cut(shown, "\nDepends:")
	depends, _, _ = strings.Cut(depends, "\n")
	unpack := func(apt aptRoot, packages ...string) error {
		if _, err := apt("apt-get", append([]string{"download"}, packages...)...); err != nil {
			return err
		}
		return unpackAll(ctx, part)
	}
	if err := unpack(apt, append(headerPackages.FindAllString(depends, -1), "linux-headers-"+version)...); err != nil {
		return err
	}
	if tools, err := newerTools(ctx, part); err != nil {
		return err
	} else if len(tools) > 0 {
		r.Suite = strings.TrimSuffix(r.Suite, "-backports")
		base, done, err := openApt(ctx, r, part)
		if err != nil {
			return err
		}
		defer done()
		if err := errors.Join(unpack(base, "libc6", "libelf1t64", "libzstd1", "zlib1g"), withLibraries(tools, part, dir)); err != nil {
			return err
		}
	}
	// They expect to be in /usr.
	makefile := filepath.Join(part, "usr/src/linux-headers-"+version, "Makefile")
	text, err := os.ReadFile(makefile)
	if err != nil {
		return err
	}
	return os.WriteFile(makefile, []byte(regexp.MustCompile(`([ =])/usr/src/`).ReplaceAllString(string(text), "${1}"+dir+"/usr/src/")), 0o644)
}

// unpackAll unpacks the packages that are in dir, in it, and removes them.
func unpackAll(ctx context.Context, dir string) error {
	for _, deb := range debs(dir) {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", deb, err, out)
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	return nil
}

// newerTools returns the programs that build with the headers, if they were made for a newer C library than this machine's.
func newerTools(ctx context.Context, part string) (tools []string, err error) {
	newer := false
	err = filepath.WalkDir(filepath.Join(part, "usr/lib"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		file, err := elf.Open(path)
		if err != nil {
			return nil //nolint:nilerr // a script
		}
		defer file.Close()
		if file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN {
			return nil
		}
		tools = append(tools, path)
		if !newer {
			out, _ := exec.CommandContext(ctx, path, "--help").CombinedOutput() // most know no --help, but all start
			newer = strings.Contains(string(out), "`GLIBC_")
		}
		return nil
	})
	if !newer {
		tools = nil
	}
	return tools, err
}

// withLibraries makes the tools run with the libraries that were unpacked beside them, once all is in dir.
func withLibraries(tools []string, part, dir string) error {
	const libraries = "usr/lib/x86_64-linux-gnu"
	for _, tool := range tools {
		rel, err := filepath.Rel(part, tool)
		if err != nil {
			return err
		}
		real := tool + ".elf"
		if err := os.Rename(tool, real); err != nil {
			return err
		}
		script := fmt.Sprintf("#!/bin/sh\nexec %s/ld-linux-x86-64.so.2 --argv0 \"$0\" --library-path %[1]s %[2]s \"$@\"\n", filepath.Join(dir, libraries), filepath.Join(dir, rel)+".elf")
		if err := os.WriteFile(tool, []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}
