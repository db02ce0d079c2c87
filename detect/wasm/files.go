package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tocsin-io/tocsin/detect"
)

// Ext is how the name of a module's file ends.
const Ext = ".wasm"

// Files loads the modules below the folders, and those that are named themselves. Modules are programs: unless allowed is set, none
// is loaded, and each one is an error that says so.
func Files(ctx context.Context, allowed bool, paths ...string) (list []detect.Rule, errs []error) {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			continue // whoever reads the rules in Rego there says so
		}
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() || filepath.Ext(file) != Ext:
				return nil
			case !allowed:
				errs = append(errs, fmt.Errorf("%s: not loaded: rules in WebAssembly are programs, and must be allowed (--wasm, or sensor: {wasm: true})", file))
				return nil
			}
			r, err := Load(ctx, file)
			if err != nil {
				errs = append(errs, err)
				return nil
			}
			list = append(list, r)
			return nil
		})
		errs = append(errs, err)
	}
	return list, compact(errs)
}

func compact(errs []error) []error {
	var out []error
	for _, err := range errs {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			out = append(out, err)
		}
	}
	return out
}
