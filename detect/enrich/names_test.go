package enrich

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func answer(query, alias string, ttl int, addrs ...string) map[string]any {
	var list []string
	if alias != "" {
		list = append(list, fmt.Sprintf(`{"answer_type":"CNAME","ttl":%d,"answer":%q}`, ttl, alias))
	}
	for _, a := range addrs {
		list = append(list, fmt.Sprintf(`{"answer_type":"A","ttl":%d,"answer":%q}`, ttl, a))
	}
	return map[string]any{"dns_response": fmt.Sprintf(`[{"query_data":{"query":%q},"dns_answer":[%s]}]`, query, strings.Join(list, ","))}
}

func (w *world) connect(addr string, port uint16, more map[string]any) {
	a := netip.MustParseAddr(addr)
	family := uint16(event.AFInet)
	if a.Is6() {
		family = event.AFInet6
	}
	args := map[string]any{"sockfd": 3, "remote_addr": event.Sockaddr{Family: family, Addr: a, Port: port}, "type": "SOCK_STREAM"}
	for k, v := range more {
		args[k] = v
	}
	w.apply("security_socket_connect", 7, 700, args)
}

func TestConnections(t *testing.T) {
	var got []string
	opts := Options{Derive: func(ev *event.Event) {
		names := []string{}
		for _, n := range ev.StrList(2) {
			names = append(names, n)
		}
		got = append(got, fmt.Sprintf("%s %s %d %v %d", ev.Name(), ev.Str(0), ev.Int(1), names, ev.HostPID))
		if ev.Process == nil {
			t.Error("no process")
		}
	}}
	w := newWorld(t, opts)
	w.connect("192.0.2.1", 80, nil) // nobody wants it
	w.e.Select([]event.Selection{{Event: "net_tcp_connect"}})
	w.connect("192.0.2.1", 80, nil)
	w.apply("net_packet_dns_response", 7, 700, answer("www.test", "alias.test", 60, "192.0.2.1", "192.0.2.2"))
	w.apply("net_packet_dns_response", 7, 700, answer("other.test", "", 60, "192.0.2.1"))
	w.connect("192.0.2.1", 443, nil)
	w.connect("::ffff:192.0.2.2", 443, nil)
	w.connect("192.0.2.1", 53, map[string]any{"type": "SOCK_DGRAM"})
	w.connect("192.0.2.1", 0, nil)
	w.apply("security_socket_connect", 7, 700, map[string]any{"remote_addr": event.Sockaddr{Family: event.AFUnix, Path: "/x"}, "type": "SOCK_STREAM"})
	w.apply("net_packet_dns_response", 7, 700, map[string]any{"dns_response": `[{"query_data"`})
	w.now += 301 * second
	w.connect("192.0.2.2", 443, nil)
	want := []string{
		"net_tcp_connect 192.0.2.1 80 [] 7",
		"net_tcp_connect 192.0.2.1 443 [www.test alias.test other.test] 7",
		"net_tcp_connect 192.0.2.2 443 [www.test alias.test] 7",
		"net_tcp_connect 192.0.2.2 443 [] 7",
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// What a container is told is not believed of another, and what is remembered is bounded.
func TestNamesAreBounded(t *testing.T) {
	n := names{}
	a := netip.MustParseAddr("10.0.0.0")
	first := a
	for i := range maxAddresses + 10 {
		n.add("c1", a, []string{fmt.Sprintf("n%d.test", i)}, 100, 1)
		a = a.Next()
	}
	if c := n["c1"]; len(c.of) != maxAddresses || len(c.order) != maxAddresses {
		t.Errorf("%d addresses, %d in order", len(c.of), len(c.order))
	}
	if got := n.of("c1", first, 1); got != nil {
		t.Errorf("the oldest is still there: %q", got)
	}
	last := a.Prev()
	if got := string(n.of("c1", last, 1)); got != fmt.Sprintf("n%d.test\x00", maxAddresses+9) {
		t.Errorf("the last one is %q", got)
	}
	if got := n.of("c2", last, 1); got != nil {
		t.Errorf("another container has %q", got)
	}
	for i := range 100 {
		n.add("c1", last, []string{fmt.Sprintf("m%d.test", i)}, 100, 1)
	}
	if d := n["c1"].of[last]; d.count != maxNames {
		t.Errorf("%d names", d.count)
	}
}

func TestConnectionAllocatesNothing(t *testing.T) {
	w := newWorld(t, Options{Derive: func(*event.Event) {}})
	w.e.Select([]event.Selection{{Event: "net_tcp_connect"}})
	w.apply("net_packet_dns_response", 7, 700, answer("www.test", "", 60, "192.0.2.1"))
	ev := w.event("security_socket_connect", 7, 700, map[string]any{
		"remote_addr": event.Sockaddr{Family: event.AFInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 443}, "type": uint64(unix.SOCK_STREAM),
	})
	w.e.Apply(ev)
	if n := testing.AllocsPerRun(100, func() { w.e.Apply(ev) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
