package event

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

func connectEvent(t testing.TB) *Event {
	b := New(ByName("security_socket_connect"))
	h := b.Header()
	h.Timestamp, h.HostPID, h.PID, h.UID = 1700000000123456789, 4242, 7, 1000
	h.SetComm("curl")
	b.SetHost("web-0")
	h.Syscall = SyscallNumber("connect")
	for name, v := range map[string]any{"sockfd": 5, "remote_addr": Sockaddr{Family: AFUnix, Path: "/var/run/docker.sock"}, "type": "SOCK_STREAM"} {
		if err := b.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	e := b.Event()
	e.Container = &Container{ID: strings.Repeat("ab", 32), Image: "busybox"}
	e.Flags |= FlagContainer | FlagContainerStarted
	return e
}

func TestJSONRoundTrip(t *testing.T) {
	e := connectEvent(t)
	line := e.AppendJSON(nil)
	if !json.Valid(line) {
		t.Fatalf("not JSON: %s", line)
	}
	back, err := ParseJSON(line)
	if err != nil {
		t.Fatal(err)
	}
	if back.Def.Dynamic {
		t.Error("came back dynamic")
	}
	if got := string(back.AppendJSON(nil)); got != string(line) {
		t.Errorf("round trip:\n got %s\nwant %s", got, line)
	}
	if got, want := back.Sockaddr(1).Text(), "{'sa_family': 'AF_UNIX','sun_path': '/var/run/docker.sock'}"; got != want {
		t.Errorf("address text %s, want %s", got, want)
	}
}

// A document that the catalogue does not describe keeps every value as it was written.
func TestParseJSONKeepsForeignDocuments(t *testing.T) {
	for name, doc := range map[string]string{
		"unknown event":    `{"eventName":"no_such_event","args":[{"name":"x","type":"y","value":{"a":[1,2.5]}}]}`,
		"wrong type":       `{"eventName":"ptrace","args":[{"name":"request","type":"string","value":"PTRACE_NEW"}]}`,
		"unknown argument": `{"eventName":"ptrace","args":[{"name":"colour","type":"string","value":"red"}]}`,
		"old socket text":  `{"eventName":"security_socket_connect","args":[{"name":"remote_addr","type":"struct sockaddr*","value":"{'sa_family': 'AF_UNIX','sun_path': '/x'}"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := ParseJSON([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			if !e.Def.Dynamic {
				t.Error("not dynamic")
			}
			var in, out struct{ Args []struct{ Value any } }
			if err := json.Unmarshal([]byte(doc), &in); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(e.AppendJSON(nil), &out); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(in, out) {
				t.Errorf("got %v, want %v", out, in)
			}
		})
	}
}

func TestEnvironmentIsRedacted(t *testing.T) {
	b := New(ByName("execve"))
	if err := b.Set("envp", []string{"AWS_SECRET=hunter2", "LD_PRELOAD=/tmp/x.so", "PATH=/bin", "EMPTY=", "bare"}); err != nil {
		t.Fatal(err)
	}
	e := b.Event()
	want := `["AWS_SECRET=•••","LD_PRELOAD=/tmp/x.so","PATH=/bin","EMPTY=","bare"]`
	if got := e.ArgText(2); got != want {
		t.Errorf("text %s, want %s", got, want)
	}
	if line := string(e.AppendRedactedJSON(nil)); strings.Contains(line, "hunter2") || !strings.Contains(line, want) {
		t.Errorf("redacted: %s", line)
	}
	if line := string(e.AppendJSON(nil)); !strings.Contains(line, "hunter2") {
		t.Errorf("rules do not see the value: %s", line)
	}
	back, err := ParseJSON(e.AppendRedactedJSON(nil))
	if err != nil || back.Def.Dynamic {
		t.Error("a redacted event does not parse", err)
	}
}

func TestOrigin(t *testing.T) {
	e := connectEvent(t)
	if e.Origin() != OriginContainer {
		t.Error(e.Origin())
	}
	e.Flags &^= FlagContainerStarted
	if e.Origin() != OriginContainerInit {
		t.Error(e.Origin())
	}
	e.Flags, e.Container = 0, nil
	if e.Origin() != OriginHost {
		t.Error(e.Origin())
	}
}

func TestSockaddr(t *testing.T) {
	for _, sa := range []Sockaddr{
		{Family: AFUnix, Path: "/run/x.sock"},
		{Family: AFUnix, Path: "@abstract"},
		{Family: AFUnix},
		{Family: AFInet, Addr: netip.MustParseAddr("127.0.0.1"), Port: 8700},
		{Family: AFInet6, Addr: netip.MustParseAddr("fd00:ec2::254"), Port: 80, FlowInfo: 7, ScopeID: 2},
		{Family: 16},
	} {
		if got := parseSockaddr(sa.Bytes()); got != sa {
			t.Errorf("got %+v, want %+v", got, sa)
		}
		var parts []string
		for _, f := range sa.Fields() {
			parts = append(parts, "'"+f.Name+"': '"+f.Value+"'")
		}
		if got, want := sa.Text(), "{"+strings.Join(parts, ",")+"}"; got != want {
			t.Errorf("text %s, fields %s", got, want)
		}
	}
	raw := append([]byte{1, 0, 0}, "name"...) // abstract, as the kernel has it
	showAbstract(raw)
	if got := parseSockaddr(raw).Path; got != "@name" {
		t.Errorf("abstract name %q", got)
	}
}

func TestEncodingsAreTwoWay(t *testing.T) {
	for nameOf, e := range encodings {
		if e == EncEnviron {
			continue // marks a list
		}
		for v := uint64(0); v < 1<<12; v++ {
			text := e.Text(v)
			if back, ok := e.Number(text); !ok || back != v {
				t.Fatalf("%s: %d → %q → %d, %v", nameOf, v, text, back, ok)
			}
		}
		for bit := 12; bit < 32 && e.Flags(); bit++ {
			text := e.Text(1 << bit)
			if back, ok := e.Number(text); !ok || back != 1<<bit {
				t.Fatalf("%s: bit %d → %q → %x, %v", nameOf, bit, text, back, ok)
			}
		}
	}
	if got := EncOpenFlags.Text(0o2000002); got != "O_RDWR|O_CLOEXEC" {
		t.Error(got)
	}
}

func TestHeaderHasNoPadding(t *testing.T) {
	typ := reflect.TypeFor[Header]()
	var end uintptr
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Offset != end {
			t.Errorf("padding before %s", f.Name)
		}
		end = f.Offset + f.Type.Size()
	}
	if int(end) != HeaderSize || HeaderSize%8 != 0 {
		t.Errorf("header ends at %d, size %d", end, HeaderSize)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	words := make([]uint64, 256)
	rec := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 2048)
	rec = rec[:copy(rec, connectEvent(t).AppendRecord(nil))]
	var e Event
	if n := testing.AllocsPerRun(100, func() {
		if err := e.Decode(rec, 0); err != nil {
			t.Fatal(err)
		}
		_ = e.Sockaddr(1).Path
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(connectEvent(f).AppendRecord(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		words := make([]uint64, len(data)/8+1)
		rec := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)[:copy(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8), data)]
		var e Event
		if e.Decode(rec, 1) != nil {
			return
		}
		line := e.AppendJSON(nil)
		if !json.Valid(line) {
			t.Fatalf("not JSON: %s", line)
		}
		if _, err := ParseJSON(line); err != nil {
			t.Fatal(err)
		}
		e.Clone()
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add(connectEvent(f).AppendJSON(nil))
	f.Add([]byte(`{"eventName":"x","args":[{"name":"a","value":[1]}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseJSON(line)
		if err != nil {
			return
		}
		out := e.AppendJSON(nil)
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
	})
}

// An event without arguments and host ends with its header: nothing may point behind it.
func TestNothingBehindHeader(t *testing.T) {
	var keep []*Event
	for range 1 << 16 { // until the record is the last of what the allocator has there
		e, err := ParseJSON([]byte(`{"eventName":"nothing"}`))
		if err != nil {
			t.Fatal(err)
		}
		keep = append(keep, e)
	}
	runtime.GC()
	for _, e := range keep {
		if !json.Valid(e.AppendJSON(nil)) || e.Clone().Name() != "nothing" {
			t.Fatal(e)
		}
	}
}
