package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// addLoopback gives the loopback interface of this process's network namespace an IPv4 address and turns it on. It
// refuses the initial namespace, whose addresses are not a simulation's to change.
func addLoopback(ip string) error {
	var own, initial unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &own); err != nil {
		return fmt.Errorf("look at network namespace: %w", err)
	}
	if err := unix.Stat("/proc/1/ns/net", &initial); err == nil && own.Ino == initial.Ino && unix.Getpid() != 1 {
		return fmt.Errorf("the network namespace is not this simulation's own")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	set := func(name string, request uint, fill func(*unix.Ifreq) error) error {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := fill(r); err != nil {
			return err
		}
		return unix.IoctlIfreq(fd, request, r)
	}
	// An alias keeps 127.0.0.1 on the interface.
	addr := netip.MustParseAddr(ip).As4()
	if err := set("lo:1", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr[:]) }); err != nil {
		return fmt.Errorf("add address %s to lo: %w", ip, err)
	}
	if err := set("lo", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }); err != nil {
		return fmt.Errorf("turn lo on: %w", err)
	}
	return nil
}

// connected returns both ends of a TCP connection within this network namespace. The first is the client's descriptor.
func connected(addr string) (client, server int, err error) {
	ap := netip.MustParseAddrPort(addr)
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", addr)
	if err != nil {
		return -1, -1, err
	}
	defer l.Close()
	client, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Connect(client, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}); err != nil {
		return -1, -1, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c, err := l.Accept()
	if err != nil {
		return -1, -1, fmt.Errorf("accept: %w", err)
	}
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return -1, -1, err
	}
	_ = c.Close() // f is a duplicate
	server, err = unix.Dup(int(f.Fd()))
	_ = f.Close()
	return client, server, err
}

// stepAsk sends a DNS query for a name, given with its type, to the loopback interface, where nobody listens.
func stepAsk(args []string) error {
	if err := addLoopback("127.0.0.53"); err != nil {
		return err
	}
	name, err := dnsmessage.NewName(args[0] + ".")
	if err != nil {
		return fmt.Errorf("name %s: %w", args[0], err)
	}
	types := map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "TXT": dnsmessage.TypeTXT}
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: types[args[1]], Class: dnsmessage.ClassINET}},
	}
	packet, err := query.Pack()
	if err != nil {
		return fmt.Errorf("pack query: %w", err)
	}
	c, err := (&net.Dialer{}).DialContext(context.Background(), "udp4", "127.0.0.53:53")
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write(packet)
	return err
}

// stepRequest connects to an address, which becomes this network namespace's own, and sends the head of an HTTP request for
// a path, of the user agent that may follow.
func stepRequest(args []string) error {
	if err := addLoopback(args[0]); err != nil {
		return err
	}
	client, _, err := connected(args[0] + ":80")
	if err != nil {
		return err
	}
	agent := "simulation"
	if len(args) > 2 {
		agent = args[2]
	}
	_, err = unix.Write(client, []byte("GET "+args[1]+" HTTP/1.1\r\nHost: "+args[0]+"\r\nUser-Agent: "+agent+"\r\n\r\n"))
	return err
}

// stepScan connects to ports at which nobody listens.
func stepScan([]string) error {
	if err := addLoopback("127.0.0.1"); err != nil {
		return err
	}
	for port := 2000; port < 2150; port++ {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
		_ = unix.Close(fd)
		if err != nil && !errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("connect: %w", err)
		}
	}
	return nil
}
