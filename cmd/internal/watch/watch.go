// Package watch tells when files have changed.
package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must be quiet: editors and package managers write in steps.
const settle = 300 * time.Millisecond

// File calls changed after the file was changed or replaced, until ctx is done. It watches the file's folder, because
// editors replace the file and a ConfigMap swaps a link beside it.
func File(ctx context.Context, path string, changed func()) error {
	if path == "" {
		<-ctx.Done()
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	real, _ := filepath.EvalSymlinks(path)
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-w.Events:
			now, _ := filepath.EvalSymlinks(path)
			if ev.Name == path && ev.Op != fsnotify.Chmod || now != real {
				real = now
				quiet.Reset(settle)
			}
		case <-w.Errors: //nolint:errcheck // whatever it was
			quiet.Reset(settle) // changes may have been missed
		case <-quiet.C:
			changed()
		}
	}
}
