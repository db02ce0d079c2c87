package app

import (
	"fmt"

	"github.com/tocsin-io/tocsin/cmd/internal/version"
)

type versionCmd struct{ output }

func (c *versionCmd) Run(e *env) error {
	v := version.Get()
	if c.json() {
		return writeJSON(e.stdout, v)
	}
	commit := ""
	if v.Commit != "" {
		commit = " (" + v.Commit[:min(12, len(v.Commit))] + ")"
	}
	_, err := fmt.Fprintf(e.stdout, "tocsin %s%s %s %s\n", v.Version, commit, v.Go, v.Arch)
	return err
}
