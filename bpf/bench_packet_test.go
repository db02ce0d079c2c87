package bpf

import (
	"context"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// emptyPacketProgram lets every packet that is sent pass.
func emptyPacketProgram(b *testing.B) {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		b.Fatal(err)
	}
	root, err := cgroupRoot()
	if err != nil {
		b.Fatal(err)
	}
	l, err := link.AttachCgroup(link.CgroupOptions{Path: root, Attach: ebpf.AttachCGroupInetEgress, Program: prog})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close(); prog.Close() })
}

// What a datagram that is no query costs more to send to the loopback interface, where it arrives as well. Under "vmtest -icount" a nanosecond is
// an instruction.
func BenchmarkPackets(b *testing.B) {
	if why := testFeatures(b).Missing[CgroupSKB]; why != "" {
		b.Skip(why)
	}
	sensor := func(o Options, names ...string) func(*testing.B) {
		return func(b *testing.B) {
			o.Features = testFeatures(b)
			s, err := Open(o)
			if err != nil {
				b.Fatal(err)
			}
			selectAll(b, s, names...)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- s.Run(ctx, func(*event.Event) {}) }()
			b.Cleanup(func() {
				cancel()
				<-done
				s.Close()
			})
		}
	}
	for _, c := range []struct {
		name  string
		setup func(*testing.B)
	}{
		{"nothing", func(*testing.B) {}},
		{"empty program", emptyPacketProgram},
		{"held", sensor(Options{HoldPackets: true})}, // two empty programs, one for each direction
		{"requests", sensor(Options{}, "net_packet_dns_request", "net_packet_http_request")},
		{"requests and answers", sensor(Options{}, "net_packet_dns_request", "net_packet_http_request", "net_packet_dns_response")},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.setup(b)
			measure(b, "datagram", "")
		})
	}
}

// datagram sends one to itself, and reads it.
func datagram(string) {
	if datagramSocket < 0 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		check("socket", err)
		check("bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		self, err := unix.Getsockname(fd)
		check("name", err)
		check("connect", unix.Connect(fd, self))
		datagramSocket = fd
	}
	_, err := unix.Write(datagramSocket, make([]byte, 64))
	check("write", err)
	var got [64]byte
	_, err = unix.Read(datagramSocket, got[:])
	check("read", err)
}

var datagramSocket = -1
