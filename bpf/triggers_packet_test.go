package bpf

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// serverSaw is the peer of the last request that a server of a test had.
var serverSaw struct {
	sync.Mutex
	peer string
}

func saw(peer net.Addr) {
	serverSaw.Lock()
	defer serverSaw.Unlock()
	serverSaw.peer = peer.String()
}

// answer returns the response to a DNS query: an alias, and the address 192.0.2.7 or 2001:db8::7.
func answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	alias := dnsmessage.MustNewName("alias.test.")
	m.Response, m.Additionals = true, nil
	m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: &dnsmessage.CNAMEResource{CNAME: alias}}}
	h := dnsmessage.ResourceHeader{Name: alias, Class: q.Class, TTL: 60}
	switch q.Type {
	case dnsmessage.TypeA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}})
	case dnsmessage.TypeAAAA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 7}}})
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

func serveUDP(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, peer, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		saw(peer)
		c.WriteTo(answer(buf[:n]), peer) //nolint:errcheck // the child complains
	}
}

func serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, query); err != nil {
					return
				}
				saw(c.RemoteAddr())
				a := answer(query)
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)) //nolint:errcheck // the child complains
			}
		}()
	}
}

// serveHTTP answers every request, keeping connections open.
func serveHTTP(t *testing.T, l net.Listener) {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), ReadHeaderTimeout: time.Minute} //nolint:errcheck // the child complains
	go s.Serve(listening{l})                                                                                                                          //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Close() })
}

type listening struct{ net.Listener }

func (l listening) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		saw(c.RemoteAddr())
	}
	return c, err
}

// dnsServer starts a server on port 53 of the address, by UDP and TCP.
func dnsServer(address string) func(*testing.T) string {
	return func(t *testing.T) string {
		at := net.JoinHostPort(address, "53")
		c, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Skip("no server can listen there: ", err)
		}
		t.Cleanup(func() { c.Close() })
		go serveUDP(c)
		go serveTCP(listen(t, "tcp", at))
		return at
	}
}

func httpServer(address string) func(*testing.T) string {
	return func(t *testing.T) string {
		l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			t.Skip("no server can listen there: ", err)
		}
		serveHTTP(t, l)
		return l.Addr().String()
	}
}

func lookUp(network, name string) func(string) {
	return func(server string) {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		}}
		addrs, err := r.LookupHost(context.Background(), name)
		check("lookup", err)
		if len(addrs) != 2 {
			check("lookup", fmt.Errorf("%s has addresses %v", name, addrs))
		}
	}
}

func questions(name, typ string) func(string, int) map[string]string {
	return func(string, int) map[string]string {
		return map[string]string{"metadata": "*", "dns_questions": `[{"query":"` + name + `","query_type":"` + typ + `","query_class":"IN"}]`}
	}
}

// goes checks where a packet came from and went.
func goes(src, dst string, port, protocol int) func(*testing.T, *event.Event, int) {
	return func(t *testing.T, e *event.Event, _ int) {
		t.Helper()
		var m struct {
			Src      string `json:"src_ip"`
			Dst      string `json:"dst_ip"`
			SrcPort  int    `json:"src_port"`
			DstPort  int    `json:"dst_port"`
			Protocol int    `json:"protocol"`
			Len      int    `json:"packet_len"`
			Iface    string `json:"iface"`
		}
		text, _ := argText(e, "metadata")
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		if m.Src != src || m.Dst != dst || m.Protocol != protocol || m.Len < 40 || m.Iface != "lo" || port != 0 && m.DstPort != port {
			t.Error(text)
		}
		serverSaw.Lock()
		defer serverSaw.Unlock()
		if peer := net.JoinHostPort(m.Src, fmt.Sprint(m.SrcPort)); port == 0 && peer != serverSaw.peer {
			t.Errorf("from %s, the server saw %s", peer, serverSaw.peer)
		}
	}
}

func request(method, host, path, more string) func(string, int) map[string]string {
	return func(addr string, _ int) map[string]string {
		if host != "" {
			addr = host
		}
		return map[string]string{
			"metadata":     "*",
			"http_request": `{"method":"` + method + `","protocol":"HTTP/1.1","host":"` + addr + `","uri_path":"` + path + `","headers":{` + more + `}`,
		}
	}
}

// segments sends an HTTP request by hand: each text in a segment of its own.
func segments(socket func(fd int), texts ...string) func(string) {
	return func(addr string) {
		c, err := net.Dial("tcp", addr)
		check("connect", err)
		rc, err := c.(*net.TCPConn).SyscallConn()
		check("socket", err)
		check("control", rc.Control(func(fd uintptr) { socket(int(fd)) }))
		for i, text := range texts {
			if i > 0 {
				time.Sleep(50 * time.Millisecond)
			}
			_, err := io.WriteString(c, text)
			check("write", err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		check("read", err)
		if !strings.HasPrefix(line, "HTTP/1.1 200") {
			check("answer", errors.New(line))
		}
	}
}

func init() {
	triggers = append(triggers, []trigger{
		{
			name: "lookup by UDP", event: "net_packet_dns_request", setup: dnsServer("127.77.0.1"), child: lookUp("udp", "Pool.Example.test"),
			expect: questions("Pool.Example.test", "A"), header: goes("127.0.0.1", "127.77.0.1", 53, unix.IPPROTO_UDP),
		},
		{
			name: "lookup by TCP", event: "net_packet_dns_request", setup: dnsServer("127.77.0.1"), child: lookUp("tcp", "tcp.example.test"),
			expect: questions("tcp.example.test", "AAAA"), header: goes("127.0.0.1", "127.77.0.1", 53, unix.IPPROTO_TCP),
		},
		{
			name: "lookup by IPv6", event: "net_packet_dns_request", setup: dnsServer("::1"), child: lookUp("udp", "six.example.test"),
			expect: questions("six.example.test", "A"), header: goes("::1", "::1", 53, unix.IPPROTO_UDP),
		},
		{
			name: "answer by UDP", event: "net_packet_dns_response", setup: dnsServer("127.77.0.1"), child: lookUp("udp", "a.example.test"),
			expect: func(string, int) map[string]string {
				return map[string]string{"metadata": "*", "dns_response": `[{"query_data":{"query":"a.example.test","query_type":"AAAA","query_class":"IN"},"dns_answer":[` +
					`{"answer_type":"CNAME","ttl":60,"answer":"alias.test"},{"answer_type":"AAAA","ttl":60,"answer":"2001:db8::7"}]}]`}
			},
		},
		{
			name: "answer by TCP", event: "net_packet_dns_response", setup: dnsServer("127.77.0.1"), child: lookUp("tcp", "b.example.test"),
			expect: func(string, int) map[string]string {
				return map[string]string{"metadata": "*", "dns_response": `[{"query_data":{"query":"b.example.test","query_type":"A","query_class":"IN"},"dns_answer":[` +
					`{"answer_type":"CNAME","ttl":60,"answer":"alias.test"},{"answer_type":"A","ttl":60,"answer":"192.0.2.7"}]}]`}
			},
		},
		{
			name: "HTTP", event: "net_packet_http_request", setup: httpServer("127.0.0.1"), child: func(addr string) {
				for _, path := range []string{"/first", "/second?token=secret"} { // on one connection
					req, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
					check("request", err)
					req.Header.Set("Authorization", "Bearer secret")
					res, err := http.DefaultClient.Do(req)
					check("get", err)
					_, err = io.Copy(io.Discard, res.Body)
					check("body", err)
					res.Body.Close()
				}
			},
			expect: request("GET", "", "/second", `"Accept-Encoding":["gzip"],"Authorization":["•••"],"User-Agent":["Go-http-client/1.1"]},"content_length":0`),
			header: goes("127.0.0.1", "127.0.0.1", 0, unix.IPPROTO_TCP),
		},
		{
			name: "HTTP by IPv6 with a body", event: "net_packet_http_request", setup: httpServer("::1"), child: func(addr string) {
				res, err := http.Post("http://"+addr+"/upload", "application/x-www-form-urlencoded", bytes.NewReader(make([]byte, 100_000)))
				check("post", err)
				res.Body.Close()
			},
			expect: request("POST", "", "/upload", `"Accept-Encoding":["gzip"],"Content-Length":["100000"],"Content-Type":["application/x-www-form-urlencoded"],"User-Agent":["Go-http-client/1.1"]},"content_length":100000`),
			header: goes("::1", "::1", 0, unix.IPPROTO_TCP),
		},
		{
			name: "HTTP in pieces", event: "net_packet_http_request", setup: httpServer("127.0.0.1"),
			child:  segments(func(int) {}, "GET /pieces HTTP/1.1\r\nHost: pieces.test\r\nUser-", "Agent: x\r\n\r\n"),
			expect: request("GET", "pieces.test", "/pieces", `},"content_length":0`), header: goes("127.0.0.1", "127.0.0.1", 0, unix.IPPROTO_TCP),
		},
		{ // a timer sends it, while some other task runs
			name: "HTTP sent by the kernel", event: "net_packet_http_request", setup: httpServer("127.0.0.1"),
			child: segments(func(fd int) { check("cork", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, 1)) },
				"GET /late HTTP/1.1\r\nHost: late.test\r\n\r\n"),
			expect: request("GET", "late.test", "/late", `},"content_length":0`), header: goes("127.0.0.1", "127.0.0.1", 0, unix.IPPROTO_TCP),
		},
		{name: "wait and ask", child: func(dir string) {
			check("ready", os.WriteFile(filepath.Join(dir, "started"), nil, 0o600))
			for range 1000 {
				if _, err := os.Stat(filepath.Join(dir, "go")); err == nil {
					lookUp("udp", "contained.test")("127.0.0.1:53")
					res, err := http.Get("http://127.0.0.1:8080/contained")
					check("get", err)
					res.Body.Close()
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			check("wait", errors.New("nobody said go"))
		}},
	}...)
}

// inNetwork runs f in the network namespace of a process.
func inNetwork(t *testing.T, pid int, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// loopbackUp does what "ip link set lo up" does.
func loopbackUp(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	req := struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{name: [unix.IFNAMSIZ]byte{'l', 'o'}, flags: unix.IFF_UP | unix.IFF_RUNNING}
	if _, err := raw(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))); err != nil {
		t.Error(err)
	}
}

// A container with a network of its own asks for a name, gets the answer, and sends a request.
func TestPacketsOfContainer(t *testing.T) {
	f := testFeatures(t)
	if why := f.Missing[CgroupSKB]; why != "" {
		t.Skip(why)
	}
	r := startRecorder(t, Options{})
	dir := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	selectAll(t, r.Sensor, "net_packet_dns_request", "net_packet_dns_response", "net_packet_http_request", "sched_process_exec")
	id, cmd := startContainer(t, "wait and ask", "/var/run", dir, "/var/run")
	waitFor(t, filepath.Join(dir, "started"))
	started := r.find(func(e *event.Event) bool {
		path, _ := argText(e, "pathname")
		return e.Name() == "sched_process_exec" && strings.HasSuffix(path, "/trigger") && e.Flags&event.FlagContainer != 0
	})
	if started == nil {
		t.Fatal("the container's process was not seen")
	}
	inNetwork(t, int(started.HostPID), func() {
		loopbackUp(t)
		c, err := net.ListenPacket("udp", "127.0.0.1:53")
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.Close() })
		go serveUDP(c)
		serveHTTP(t, listen(t, "tcp", "127.0.0.1:8080"))
	})
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal("runc run: ", err)
	}
	for _, want := range []struct{ event, arg, text string }{
		{"net_packet_dns_request", "dns_questions", `[{"query":"contained.test","query_type":"A","query_class":"IN"}]`},
		{"net_packet_dns_response", "dns_response", `"answer":"192.0.2.7"`},
		{"net_packet_http_request", "http_request", `"uri_path":"/contained"`},
	} {
		e := r.find(func(e *event.Event) bool {
			text, _ := argText(e, want.arg)
			return e.Name() == want.event && strings.Contains(text, want.text)
		})
		if e == nil {
			t.Errorf("container %s: no %s with %s", id, want.event, want.text)
			continue
		}
		if e.Origin() != event.OriginContainer || e.HostPID != started.HostPID || e.CgroupID != started.CgroupID || e.LeaderStart != started.LeaderStart || e.PID != 1 {
			t.Errorf("%s of %+v", want.event, *e.Header)
		}
	}
}
