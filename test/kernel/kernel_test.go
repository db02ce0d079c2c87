package kernel

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// image returns a kernel if one was downloaded before: tests do not reach for the network.
func image(t *testing.T) Image {
	t.Helper()
	if err := Check(); err != nil {
		t.Skip(err)
	}
	for _, r := range Releases {
		if img, err := cached(filepath.Join("..", "..", ".cache", "kernels", r.Name), r.Arch); err == nil && r.Arch == "" {
			return img
		}
	}
	t.Skip("no kernel in .cache/kernels: run make kernels")
	return Image{}
}

func script(t *testing.T, body string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRun(t *testing.T) {
	img := image(t)
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("from the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code, err := Run(t.Context(), img, Job{
		Program: script(t, `printf '%s|' "$1" "$2" "$FOO" "$PWD"; cat /data; pidof nothing; ip addr show lo | grep -c 127.0.0.1 >&2; exit 7`),
		Args:    []string{"it's", "a b"},
		Env:     []string{"FOO=x $y"},
		Dir:     "/work dir",
		Files:   map[string]string{"/data": data},
		Output:  &out,
	})
	if err != nil || code != 7 {
		t.Fatalf("Run = %d, %v; want exit code 7", code, err)
	}
	if want := "it's|a b|x $y|/work dir|from the host1\n"; out.String() != want {
		t.Errorf("output %q, want %q", out.String(), want)
	}
}

func TestRunStops(t *testing.T) {
	img := image(t)
	_, err := Run(t.Context(), img, Job{Program: script(t, "sleep 1000"), Timeout: 6 * time.Second})
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("a hanging program: %v, want ErrTimeout", err)
	}
	_, err = Run(t.Context(), img, Job{Program: script(t, "echo c >/proc/sysrq-trigger; sleep 60")})
	if err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("a kernel panic: %v, want the console's text", err)
	}
}

func TestInitramfs(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio not found: install the package cpio")
	}
	dir := t.TempDir()
	for name, body := range map[string]string{"a": "1", "sub/b": "22", "sub/c": ""} {
		p := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(p), 0o755)
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	a := newArchive(&buf)
	a.tree("/x/y", dir)
	a.symlink("/x/link", "y/a")
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	cmd := exec.Command(cpio, "-id", "--quiet")
	cmd.Dir, cmd.Stdin = into, &buf
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio does not read it: %v: %s", err, out)
	}
	for name, want := range map[string]string{"x/y/a": "1", "x/y/sub/b": "22", "x/y/sub/c": "", "x/link": "1"} {
		if got, err := os.ReadFile(filepath.Join(into, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestMissing(t *testing.T) {
	if _, err := Fetch(t.Context(), "2.4", t.TempDir(), io.Discard); !errors.Is(err, ErrMissing) {
		t.Errorf("an unknown kernel: %v, want ErrMissing", err)
	}
	t.Setenv("PATH", "")
	if err := Check(); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "install") {
		t.Errorf("no QEMU: %v, want ErrMissing and what to install", err)
	}
}
