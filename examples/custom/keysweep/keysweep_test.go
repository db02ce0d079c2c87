package keysweep_test

import (
	"testing"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/examples/custom/keysweep"
)

func TestKeySweep(t *testing.T) {
	found := 0
	engine, err := detect.New(detect.Options{Rules: []detect.Rule{keysweep.New()}, Sink: func(detect.Hit) { found++ }})
	if err != nil {
		t.Fatal(err)
	}
	open := func(pid uint32, path string) {
		b := event.New(event.ByName("security_file_open"))
		b.Header().HostPID = pid
		b.Header().Timestamp = 1e18
		if err := b.Set("pathname", path); err != nil {
			t.Fatal(err)
		}
		engine.Handle(b.Event())
	}
	for _, path := range []string{"/root/.ssh/id_rsa", "/root/.ssh/id_rsa", "/root/.ssh/id_rsa.pub", "/root/.ssh/config", "/home/a/.ssh/id_ed25519"} {
		open(1, path)
	}
	open(2, "/home/b/.ssh/id_rsa") // another process
	if found != 0 {
		t.Error("found too early")
	}
	open(1, "/home/b/.ssh/id_rsa")
	open(1, "/home/c/.ssh/id_rsa")
	if found != 1 {
		t.Errorf("%d findings", found)
	}
}
