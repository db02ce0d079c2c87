package kernel

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// aptRoot runs one of apt's tools and returns what it prints.
type aptRoot func(tool string, args ...string) (string, error)

// openApt makes an apt root of its own in dir for the release's suite, so that neither root nor the machine's package lists
// are needed. What it downloads goes to dir; done removes the root.
func openApt(ctx context.Context, r Release, dir string) (run aptRoot, done func(), err error) {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, nil, fmt.Errorf("%s not found: kernels come from Debian packages; elsewhere name a kernel by -kernel /path/to/vmlinuz", tool)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, nil, fmt.Errorf("%s not found: install debian-archive-keyring, or name a kernel by -kernel /path/to/vmlinuz", keyring)
	}
	root, err := os.MkdirTemp(dir, "apt-")
	if err != nil {
		return nil, nil, err
	}
	done = func() { os.RemoveAll(root) }
	for _, d := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			done()
			return nil, nil, err
		}
	}
	sources := filepath.Join(root, "sources.list")
	arch := cmp.Or(r.Arch, "amd64")
	line := fmt.Sprintf("deb [arch=%s signed-by=%s] %s %s main\n", arch, keyring, mirror, strings.TrimPrefix(r.Suite, "Debian "))
	if err := os.WriteFile(sources, []byte(line), 0o644); err != nil {
		done()
		return nil, nil, err
	}
	run = func(tool string, args ...string) (string, error) {
		args = append([]string{
			"-q", "-o", "Dir::Etc::SourceList=" + sources, "-o", "Dir::Etc::SourceParts=/dev/null",
			"-o", "Dir::State=" + root, "-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache=" + root,
			"-o", "APT::Architecture=" + arch, "-o", "APT::Architectures=" + arch, "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none",
			"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-o", "Acquire::Retries=3",
		}, args...)
		cmd := exec.CommandContext(ctx, tool, args...)
		cmd.Dir = dir
		var out, diag bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &diag
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s%s", tool, err, out.String(), diag.String())
		}
		return out.String(), nil
	}
	if _, err := run("apt-get", "update"); err != nil {
		done()
		return nil, nil, err
	}
	return run, done, nil
}

// newest returns the first word of the line with the highest version: apt-cache search prints a package a line.
func newest(lines string) (pkg string) {
	var best []int
	for line := range strings.Lines(lines) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		var version []int
		for _, digits := range regexp.MustCompile(`\d+`).FindAllString(name, -1) {
			n, _ := strconv.Atoi(digits)
			version = append(version, n)
		}
		if slices.Compare(version, best) > 0 {
			pkg, best = name, version
		}
	}
	return pkg
}
