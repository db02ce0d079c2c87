package bpf

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// What somebody with the privilege does to the sensor's programs and tables is noticed, and undone.
func TestRestore(t *testing.T) {
	r := startRecorder(t, Options{})
	file := tempFile(t)
	packets := testFeatures(t).Missing[CgroupSKB] == ""
	selections := []event.Selection{{Event: "openat"}, {Event: "security_file_open", Clauses: []event.Clause{{Conds: []event.Cond{
		{Field: "pathname", Op: event.OpEqual, Strs: []string{file}},
	}}}}}
	if packets {
		selections = append(selections, event.Selection{Event: "net_packet_dns_request"})
	}
	if err := r.Select(selections); err != nil {
		t.Fatal(err)
	}
	seen := func() bool {
		pid := startTrigger(t, "open many", file)
		r.find(func(e *event.Event) bool {
			return int(e.HostPID) == pid && e.Name() == "sched_process_exit" && e.Uint(e.Arg("process_group_exit")) == 1
		})
		count := map[string]int{}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.events {
			if path, _ := argText(e, "pathname"); int(e.HostPID) == pid && path == file {
				count[e.Name()]++
			}
		}
		return count["openat"] == 1 && count["security_file_open"] == 1
	}
	// foreign opens a map as another process does, by its id.
	foreign := func(name string) *ebpf.Map {
		info, err := r.loader.maps[name].Info()
		if err != nil {
			t.Fatal(err)
		}
		id, ok := info.ID()
		if !ok {
			t.Skip("this kernel does not tell the ids of maps")
		}
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	if wrong, left := r.Restore(); len(wrong)+len(left) > 0 || !seen() {
		t.Fatalf("before anything happened: %v, %v", wrong, left)
	}
	opened := event.ByName("security_file_open").ID
	type tampering struct {
		name string
		do   func() error
	}
	cases := []tampering{
		{"switch of an event", func() error { return foreign("event_configs").Put(uint32(opened), eventConfig{}) }},
		{"filter", func() error {
			return foreign("filters").Put(r.loader.filters[opened].index, &filterValue{})
		}},
		{"text of a filter", func() error { return foreign("text_filters").Delete(r.loader.filters[opened].texts[0].key()) }},
		{"system call", func() error {
			return foreign("syscall_events").Put(uint32(event.SyscallNumber("openat")), uint32(0))
		}},
		{"link of a program", func() error {
			for a, p := range r.attached {
				if a.to == "sched_process_exit" {
					return unix.Close(linkOf(t, p))
				}
			}
			return unix.ENOENT
		}},
	}
	if r.loader.exit != nil { // a kernel with trampolines sees both events without the dispatcher
		cases = append(cases, tampering{"table of programs", func() error {
			return foreign("exit_table").Delete(uint32(event.SyscallNumber("openat")))
		}}, tampering{"link of the dispatcher", func() error { return unix.Close(linkOf(t, r.loader.exit)) }})
	}
	if packets {
		cases = append(cases, tampering{"link of a program of packets", func() error {
			for a, p := range r.attached {
				if a.to == "egress" { // as "bpftool link detach" does
					return p.parts[0].(link.Link).Detach()
				}
			}
			return unix.ENOENT
		}})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "filter" && r.loader.filters[opened] == nil {
				t.Fatal("no filter")
			}
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
			wrong, left := r.Restore()
			t.Log(wrong)
			if len(wrong) != 1 || len(left) > 0 {
				t.Errorf("wrong: %v, left: %v", wrong, left)
			}
			if wrong, left := r.Restore(); len(wrong)+len(left) > 0 {
				t.Errorf("not put back: %v, %v", wrong, left)
			}
			if !seen() {
				t.Error("events are missed afterwards")
			}
		})
	}
}

// linkOf returns the descriptor that keeps a program attached.
func linkOf(t *testing.T, p *program) int {
	for _, part := range p.parts {
		if l, ok := part.(interface{ FD() int }); ok {
			if _, isProgram := part.(*ebpf.Program); !isProgram {
				return l.FD()
			}
		}
	}
	t.Fatal("no link")
	return -1
}

// Places that are held for programs of packets have nothing else in them while none is selected, and are made again when somebody takes them away.
func TestHoldPackets(t *testing.T) {
	if why := testFeatures(t).Missing[CgroupSKB]; why != "" {
		t.Skip(why)
	}
	r := startRecorder(t, Options{HoldPackets: true})
	for _, name := range []string{"", "net_packet_dns_request", "", "net_packet_dns_response"} {
		names := []string{name}
		if name == "" {
			names = nil
		}
		selectAll(t, r.Sensor, names...)
		for _, detached := range []bool{false, true} {
			for to, p := range r.loader.places {
				if detached {
					if err := p.Detach(); err != nil {
						t.Fatal(err)
					}
					continue
				}
				info, err := p.Info()
				if err != nil {
					t.Fatal(err)
				}
				want := programID(p.idle)
				for a, p := range r.attached {
					if a.kind == CgroupSKB && a.to == to {
						want = p.id
					}
				}
				if info.Program != want {
					t.Errorf("selected %q: program %d at %s, want %d", name, info.Program, to, want)
				}
			}
			n := 0
			if detached {
				n = len(cgroupDirections)
			}
			if wrong, left := r.Restore(); len(wrong) != n || len(left) > 0 || len(r.loader.places) != len(cgroupDirections) {
				t.Errorf("selected %q, detached %v: wrong: %v, left: %v", name, detached, wrong, left)
			}
		}
		if name != "net_packet_dns_request" {
			continue
		}
		setup := dnsServer("127.77.0.1")(t)
		pid := startTrigger(t, "lookup by UDP", setup)
		if r.find(func(e *event.Event) bool { return int(e.HostPID) == pid && e.Name() == name }) == nil {
			t.Error("a lookup was missed")
		}
	}
}
