// Command tocsin-sensor is the privileged half of Tocsin as a service: it sees events with eBPF, gives them to the rules,
// and publishes the findings to NATS.
package main

import "github.com/tocsin-io/tocsin/cmd/tocsin-sensor/app"

func main() { app.Main() }
