package sensor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/gobwas/glob"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/wasm"
)

// Rules says which rules are in force.
type Rules struct {
	Builtin fs.FS    // nil for none
	Dirs    []string // beside the built-in ones; a rule with the id of an earlier one replaces it
	Enable  []string // ids of rules that are off by default and shall be used, as globs
	Disable []string // ids that are left out, as globs
	Wasm    bool     // whether rules in WebAssembly are loaded
}

// Load reads the rules; those whose files are as the loader knows them are not compiled again. Each file that can't be used has an error; the
// others are returned.
func (r Rules) Load(loader *detect.Loader) ([]detect.Rule, []error) {
	var sources []detect.Source
	if r.Builtin != nil {
		sources = append(sources, detect.Source{FS: r.Builtin, Name: "builtin"})
	}
	for _, dir := range r.Dirs {
		sources = append(sources, detect.Dir(dir))
	}
	list, errs := loader.Load(sources...)
	list = append(list, detect.Registered()...)
	modules, wrong := wasm.Files(context.Background(), r.Wasm, r.Dirs...)
	list, errs = append(list, modules...), append(errs, wrong...)
	enable, err := globs("sensor.enable", r.Enable)
	errs = append(errs, err...)
	disable, err := globs("sensor.disable", r.Disable)
	errs = append(errs, err...)
	list = slices.DeleteFunc(list, func(x detect.Rule) bool {
		m := x.Metadata()
		if matches(enable, m.ID) {
			m.Disabled = false
		}
		return m.Disabled || matches(disable, m.ID)
	})
	return list, errs
}

func globs(key string, patterns []string) (out []*glob.Pattern, errs []error) {
	for _, p := range patterns {
		g, err := glob.Compile(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", key, p, err))
			continue
		}
		out = append(out, g)
	}
	return out, errs
}

func matches(list []*glob.Pattern, id string) bool {
	return slices.ContainsFunc(list, func(g *glob.Pattern) bool { return g.Match(id) })
}

// settle is how long a folder must be quiet before it is read again: editors and package managers write in steps.
const settle = 300 * time.Millisecond

// Watch sees changes of the files in the folders of rules.
type Watch struct {
	w   *fsnotify.Watcher
	log *slog.Logger
}

// Watch begins to see changes. Call it before Load, so that none is missed.
func (r Rules) Watch(log *slog.Logger) (*Watch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch rules: %w", err)
	}
	out := &Watch{w, log}
	for _, dir := range r.Dirs {
		out.add(dir)
	}
	return out, nil
}

func (w *Watch) add(root string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return w.w.Add(path)
		case path == root: // a single file: its folder tells when an editor replaces it
			return w.w.Add(filepath.Dir(path))
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.log.Warn("changes of rules are not seen: use SIGHUP", "path", root, "error", err)
	}
}

// Run calls changed when files were changed, until ctx is done.
func (w *Watch) Run(ctx context.Context, changed func()) error {
	defer w.w.Close()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-w.w.Events:
			if ev.Op == fsnotify.Chmod {
				continue
			}
			if ev.Has(fsnotify.Create) {
				w.add(ev.Name) // a new folder
			}
			quiet.Reset(settle)
		case err := <-w.w.Errors:
			w.log.Warn("watch rules", "error", err)
			quiet.Reset(settle) // changes may have been missed
		case <-quiet.C:
			changed()
		}
	}
}
