// Command tocsin is Tocsin on one host, and its operator's tool: see "tocsin --help" and docs/design.md.
package main

import "github.com/tocsin-io/tocsin/cmd/tocsin/app"

func main() { app.Main() }
