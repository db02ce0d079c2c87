// Package all registers every output type.
package all

//go:generate go test . -run ^TestGenerated$ -update

import (
	_ "github.com/tocsin-io/tocsin/outputs/preset"
	_ "github.com/tocsin-io/tocsin/outputs/slack"
	_ "github.com/tocsin-io/tocsin/outputs/syslog"
	_ "github.com/tocsin-io/tocsin/outputs/webhook"
)
