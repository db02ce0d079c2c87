package bpf

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// dnsQuery returns a question for the address of a name.
func dnsQuery(name string) []byte {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, err := m.Pack()
	check("pack", err)
	return b
}

// rawIPv4 sends a packet of the raw socket's user: a header without options, of UDP, and what is behind it.
func rawIPv4(fragment uint16, payload []byte) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	check("socket", err)
	defer unix.Close(fd)
	b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 127, 0, 0, 1, 127, 77, 0, 1}
	binary.BigEndian.PutUint16(b[6:], fragment)
	check("send", unix.Sendto(fd, append(b, payload...), 0, &unix.SockaddrInet4{Addr: [4]byte{127, 77, 0, 1}}))
}

func sendTo(network, addr string, payloads ...string) {
	c, err := net.Dial(network, addr)
	check("connect", err)
	defer c.Close()
	for i, p := range payloads {
		if i > 0 {
			time.Sleep(20 * time.Millisecond)
		}
		_, err := io.WriteString(c, p)
		check("write", err)
	}
}

func init() {
	triggers = append(triggers, []trigger{
		{name: "send many", child: func(arg string) {
			for _, to := range strings.Split(arg, ",") {
				network, addr, _ := strings.Cut(to, "/")
				if network == "udp" {
					sendTo(network, addr, string(dnsQuery("filter.example.test")))
				} else {
					sendTo(network, addr, "GET /filter HTTP/1.1\r\nHost: filter.test\r\n\r\n")
				}
			}
		}},
		{name: "fragment", child: func(string) { rawIPv4(100, make([]byte, 64)) }},
		{name: "headers cut short", child: func(string) { rawIPv4(0, make([]byte, 4)) }},
		{name: "not a query", child: func(string) { sendTo("udp", "127.77.0.1:53", "short") }},
		{name: "length apart", child: func(addr string) {
			q := dnsQuery("apart.example.test")
			sendTo("tcp", addr, string(binary.BigEndian.AppendUint16(nil, uint16(len(q)))), string(q))
		}},
		{name: "no question", child: func(string) { sendTo("udp", "127.77.0.1:53", string(make([]byte, 12))) }},
		{name: "no HTTP", child: func(addr string) { sendTo("tcp", addr, "GET thing\r\nGET thing\r\n\r\n") }},
		{name: "mail", child: func(addr string) { sendTo("tcp", addr, "DELE 1\r\nDELE 2\r\nDELE 3\r\n") }},
		{name: "long line", child: func(addr string) {
			sendTo("tcp", addr, "GET /"+strings.Repeat("x", 6000)+" HTTP/1.1\r\nHost: x\r\n\r\n")
		}},
		{name: "extension header", child: func(addr string) {
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
			check("socket", err)
			check("option", unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, "\x00\x00\x01\x04\x00\x00\x00\x00")) // padding
			check("send", unix.Sendto(fd, dnsQuery("extended.example.test"), 0, &unix.SockaddrInet6{Port: 53, Addr: [16]byte{15: 1}}))
		}},
		{name: "ask and wait", child: func(addr string) {
			c, err := net.Dial("udp", addr)
			check("connect", err)
			_, err = c.Write(dnsQuery("late.example.test"))
			check("ask", err)
			_, err = c.Read(make([]byte, 512))
			check("answer", err)
		}},
	}...)
}

// A packet that cannot be told of is counted, by cause; and what only looks like one is not.
func TestPacketsUnseen(t *testing.T) {
	if why := testFeatures(t).Missing[CgroupSKB]; why != "" {
		t.Skip(why)
	}
	r := startRecorder(t, Options{})
	packets := []string{"net_packet_dns_request", "net_packet_dns_response", "net_packet_http_request"}
	selectAll(t, r.Sensor, packets...)
	deaf := func(t *testing.T) string { // takes connections, and does not answer
		l := listen(t, "tcp", "127.0.0.1:0")
		go func() {
			for {
				if c, err := l.Accept(); err == nil {
					go io.Copy(io.Discard, c) //nolint:errcheck // the child complains
				} else {
					return
				}
			}
		}()
		return l.Addr().String()
	}
	none := func(*testing.T) string { return "" }
	for name, c := range map[string]struct {
		setup func(*testing.T) string
		cause string
		not   bool
	}{
		"fragment":          {none, "fragment", false},
		"headers cut short": {none, "unreadable", false},
		"not a query":       {none, "no query to port 53", false},
		"length apart":      {dnsServer("127.77.0.1"), "no query to port 53", false},
		"no question":       {none, "not DNS", false},
		"no HTTP":           {deaf, "not HTTP", false},
		"mail":              {deaf, "not HTTP", true},
		"long line":         {deaf, "too long", false},
		"extension header":  {none, "IPv6 extension headers", false},
	} {
		t.Run(name, func(t *testing.T) {
			arg := c.setup(t)
			before := unseen(t, r.Sensor)
			pid := startTrigger(t, name, arg)
			r.find(func(e *event.Event) bool {
				return int(e.HostPID) == pid && e.Name() == "sched_process_exit" && e.Uint(e.Arg("process_group_exit")) == 1
			})
			after := unseen(t, r.Sensor)
			if counted := after[c.cause] > before[c.cause]; counted == c.not { // others' packets are counted, too: at least one more
				t.Errorf("%v, before %v", after, before)
			}
			for _, name := range []string{"net_packet_dns_request", "net_packet_http_request"} {
				if got := r.of(pid, name); len(got) > 0 {
					t.Errorf("%s was seen: %v", name, got)
				}
			}
		})
	}
	// An answer to who asked before the sensor looked.
	t.Run("unknown owner", func(t *testing.T) {
		c, err := net.ListenPacket("udp", "127.77.0.1:53")
		if err != nil {
			t.Skip("no server can listen there: ", err)
		}
		defer c.Close()
		if err := r.Select(nil); err != nil {
			t.Fatal(err)
		}
		done := make(chan int)
		go func() { done <- startTrigger(t, "ask and wait", c.LocalAddr().String()) }()
		buf := make([]byte, 512)
		n, peer, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		selectAll(t, r.Sensor, packets...)
		before := unseen(t, r.Sensor)["unknown owner"]
		if _, err := c.WriteTo(answer(buf[:n]), peer); err != nil {
			t.Fatal(err)
		}
		<-done
		if now := unseen(t, r.Sensor)["unknown owner"]; now != before+1 {
			t.Errorf("%d counted, before %d", now, before)
		}
	})
	// What the sensor itself asks is nobody's business, and nothing is missing.
	t.Run("own", func(t *testing.T) {
		addr := dnsServer("127.77.0.1")(t)
		before := unseen(t, r.Sensor)["unknown owner"]
		lookUp("udp", "own.example.test")(addr)
		if now := unseen(t, r.Sensor)["unknown owner"]; now != before {
			t.Errorf("%d counted, before %d", now, before)
		}
		if got := r.of(os.Getpid(), "net_packet_dns_request"); len(got) > 0 {
			t.Error("seen: ", got)
		}
	})
}

func unseen(t *testing.T, s *Sensor) map[string]uint64 {
	t.Helper()
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return st.Unseen
}

// Where packets go is judged in the kernel: what goes elsewhere is not so much as attempted.
func TestFilterPackets(t *testing.T) {
	if why := testFeatures(t).Missing[CgroupSKB]; why != "" {
		t.Skip(why)
	}
	r := startRecorder(t, Options{})
	var web []string
	for _, at := range []string{"127.0.0.1:0", "127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Skip("no server can listen there: ", err)
		}
		serveHTTP(t, l)
		web = append(web, l.Addr().String())
	}
	dns := []string{"127.77.0.1:53", "127.78.0.1:53", "[::1]:53"} // where nobody has to listen
	var to []string
	for i := range dns {
		to = append(to, "udp/"+dns[i], "tcp/"+web[i])
	}
	_, port, _ := net.SplitHostPort(web[1])
	for name, c := range map[string]struct {
		event string
		cond  event.Cond
		want  []string
	}{
		"address":      {"net_packet_dns_request", event.Cond{Field: "metadata.dst_ip", Op: event.OpEqual, Strs: []string{"127.78.0.1"}}, dns[1:2]},
		"address six":  {"net_packet_dns_request", event.Cond{Field: "metadata.dst_ip", Op: event.OpEqual, Strs: []string{"::1", "192.0.2.1"}}, dns[2:]},
		"network":      {"net_packet_dns_request", event.Cond{Field: "metadata.dst_ip", Op: event.OpCIDR, Strs: []string{"127.76.0.0/15"}}, dns[:1]},
		"no network":   {"net_packet_dns_request", event.Cond{Field: "metadata.dst_ip", Op: event.OpCIDR, Strs: []string{"10.0.0.0/8", "2001:db8::/32"}}, nil},
		"port 53":      {"net_packet_dns_request", event.Cond{Field: "metadata.dst_port", Op: event.OpEqual, Nums: []uint64{53}}, dns},
		"another port": {"net_packet_dns_request", event.Cond{Field: "metadata.dst_port", Op: event.OpEqual, Nums: []uint64{5353}}, nil},
		"port of many": {"net_packet_http_request", event.Cond{Field: "metadata.dst_port", Op: event.OpEqual, Strs: []string{port, "1"}}, web[1:2]},
		"web address":  {"net_packet_http_request", event.Cond{Field: "metadata.dst_ip", Op: event.OpEqual, Strs: []string{"127.0.0.1"}}, web[:2]},
		"user":         {"net_packet_http_request", event.Cond{Field: "@uid", Op: event.OpEqual, Nums: []uint64{12345}}, nil},
		"source":       {"net_packet_http_request", event.Cond{Field: "metadata.src_port", Op: event.OpEqual, Nums: []uint64{1}}, web}, // the kernel does not look there
	} {
		t.Run(name, func(t *testing.T) {
			if err := r.Select([]event.Selection{{Event: c.event, Clauses: []event.Clause{{Conds: []event.Cond{c.cond}}}}}); err != nil {
				t.Fatal(err)
			}
			attempted := func() uint64 {
				st, err := r.Stats()
				if err != nil {
					t.Fatal(err)
				}
				return st.Events[c.event].Attempted
			}
			before := attempted()
			pid := startTrigger(t, "send many", strings.Join(to, ","))
			r.find(func(e *event.Event) bool {
				return int(e.HostPID) == pid && e.Name() == "sched_process_exit" && e.Uint(e.Arg("process_group_exit")) == 1
			})
			var got []string
			for _, text := range r.of(pid, c.event) {
				for _, addr := range slices.Concat(dns, web) {
					host, port, _ := net.SplitHostPort(addr)
					if strings.Contains(text, fmt.Sprintf(`"dst_ip":%q`, host)) && strings.Contains(text, fmt.Sprintf(`"dst_port":%s,`, port)) {
						got = append(got, addr)
					}
				}
			}
			if n := attempted() - before; !slices.Equal(got, c.want) || n != uint64(len(c.want)) {
				t.Errorf("got %v, %d attempted, want %v", got, n, c.want)
			}
		})
	}
}
