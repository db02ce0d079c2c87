// Command custom is tocsin with a rule in Go of one's own: everything that tocsin does, and one import.
package main

import (
	"github.com/tocsin-io/tocsin/cmd/tocsin/app"

	_ "github.com/tocsin-io/tocsin/examples/custom/keysweep" // its init function registers the rule
)

func main() { app.Main() }
