// Package version says which build this is.
package version

import (
	"runtime"
	"runtime/debug"
)

// Version and Commit are set by the linker in releases: -X github.com/tocsin-io/tocsin/cmd/internal/version.Version=v1.2.3
var (
	Version string
	Commit  string
)

// Info describes the build.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	Arch    string `json:"arch"`
}

// Get returns what the linker set, else what the Go tool recorded.
func Get() Info {
	i := Info{Version: Version, Commit: Commit, Go: runtime.Version(), Arch: runtime.GOOS + "/" + runtime.GOARCH}
	if b, ok := debug.ReadBuildInfo(); ok {
		if i.Version == "" {
			i.Version = b.Main.Version
		}
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" && i.Commit == "" {
				i.Commit = s.Value
			}
		}
	}
	if i.Version == "" {
		i.Version = "(devel)"
	}
	return i
}
