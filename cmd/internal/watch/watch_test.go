package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFile(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, path string, n int){
		"written": func(t *testing.T, path string, n int) { put(t, path, n) },
		"replaced": func(t *testing.T, path string, n int) {
			put(t, path+".new", n)
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"a swapped link": func(t *testing.T, path string, n int) {
			dir := filepath.Join(filepath.Dir(path), "v"+string(rune('a'+n%26)))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "x"), n)
			os.Remove(path)
			if err := os.Symlink(filepath.Join(dir, "x"), path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "tocsin.yaml")
			write(t, path, 0)
			ctx, cancel := context.WithCancel(t.Context())
			changed, done := make(chan struct{}, 100), make(chan error, 1)
			go func() { done <- File(ctx, path, func() { changed <- struct{}{} }) }()
			deadline := time.After(20 * time.Second)
			for n := 1; ; n++ { // the watch begins in its own time
				write(t, path, n)
				select {
				case <-changed:
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
					return
				case <-time.After(3 * settle):
				case <-deadline:
					t.Fatal("the change was not seen")
				}
			}
		})
	}
}

func put(t *testing.T, path string, n int) {
	t.Helper()
	if err := os.WriteFile(path, []byte{byte(n)}, 0o644); err != nil {
		t.Fatal(err)
	}
}
