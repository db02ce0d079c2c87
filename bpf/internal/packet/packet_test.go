package packet

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

// record makes an event as the kernel gives it.
func record(def *event.Def, proto uint16, dst string, payload []byte) *event.Event {
	head := make([]byte, headSize)
	copy(head, netip.MustParseAddr(dst).AsSlice())
	binary.BigEndian.PutUint16(head[16:], 40000)
	binary.NativeEndian.PutUint16(head[18:], proto)
	binary.NativeEndian.PutUint32(head[20:], 99)
	copy(head[24:], "eth0")
	family := uint16(event.AFInet)
	if netip.MustParseAddr(dst).Is6() {
		family = event.AFInet6
	}
	b := event.New(def)
	b.Header().HostPID = 42
	b.SetHost("node")
	b.SetRaw(argMetadata, event.Sockaddr{Family: family, Addr: netip.MustParseAddr(dst), Port: 53}.Bytes())
	b.SetRaw(argPayload, slices.Concat(head, payload))
	return b.Event()
}

// query is one for pool.example.com, type A.
const query = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04pool\x07example\x03com\x00\x00\x01\x00\x01"

// A sample is the payload of a packet, and what is told of it.
type sample struct {
	def     *event.Def
	proto   uint16
	payload string
	want    string // "" for an error
}

var long = "GET /long HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nX-Cut: " + strings.Repeat("x", 100)

var samples = map[string]sample{
	"UDP":                   {dnsRequest, 17, query, `[{"query":"pool.example.com","query_type":"A","query_class":"IN"}]`},
	"two in TCP":            {dnsRequest, 6, "\x00\x22" + query + "\x00\x22" + query, `[{"query":"pool.example.com","query_type":"A","query_class":"IN"},{"query":"pool.example.com","query_type":"A","query_class":"IN"}]`},
	"one and a piece":       {dnsRequest, 6, "\x00\x22" + query + "\x00\x22" + query[:20], `[{"query":"pool.example.com","query_type":"A","query_class":"IN"}]`},
	"no question":           {dnsRequest, 17, query[:4] + "\x00\x00" + query[6:12], ""},
	"cut name":              {dnsRequest, 17, query[:20], ""},
	"response as a request": {dnsRequest, 17, query[:2] + "\x81" + query[3:], ""},
	"unknown type":          {dnsRequest, 17, query[:30] + "\xff\x00" + "\x00\x03", `[{"query":"pool.example.com","query_type":"65280","query_class":"CH"}]`},
	"HTTPS":                 {dnsRequest, 17, query[:30] + "\x00\x41" + "\x00\x01", `[{"query":"pool.example.com","query_type":"HTTPS","query_class":"IN"}]`},
	"bytes in a name":       {dnsRequest, 17, query[:13] + "\"\x00\xffl" + query[17:], "[{\"query\":\"\\\"\\u0000\ufffdl.example.com\",\"query_type\":\"A\",\"query_class\":\"IN\"}]"},
	"no answer":             {dnsResponse, 17, query[:2] + "\x81\x83" + query[4:], `[{"query_data":{"query":"pool.example.com","query_type":"A","query_class":"IN"},"dns_answer":[]}]`},
	"answer":                {dnsResponse, 17, query[:2] + "\x81\x80\x00\x01\x00\x01" + query[8:] + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04", `[{"query_data":{"query":"pool.example.com","query_type":"A","query_class":"IN"},"dns_answer":[{"answer_type":"A","ttl":60,"answer":"1.2.3.4"}]}]`},
	"second answer cut":     {dnsResponse, 17, query[:2] + "\x81\x80\x00\x01\x00\x02" + query[8:] + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04\xc0\x0c\x00", `[{"query_data":{"query":"pool.example.com","query_type":"A","query_class":"IN"},"dns_answer":[{"answer_type":"A","ttl":60,"answer":"1.2.3.4"}]}]`},

	"GET":           {httpRequest, 6, "GET /a?key=secret HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8\r\nX-Token: secret\r\n\r\n", `{"method":"GET","protocol":"HTTP/1.1","host":"example.com","uri_path":"/a","headers":{"User-Agent":["curl/8"],"X-Token":["•••"]},"content_length":0}`},
	"bare newlines": {httpRequest, 6, "GET / HTTP/1.1\nHost: x\n\n", `{"method":"GET","protocol":"HTTP/1.1","host":"x","uri_path":"/","headers":{},"content_length":0}`},
	"whole address": {httpRequest, 6, "GET http://169.254.169.254/latest HTTP/1.0\r\n\r\n", `{"method":"GET","protocol":"HTTP/1.0","host":"169.254.169.254","uri_path":"/latest","headers":{},"content_length":0}`},
	"CONNECT":       {httpRequest, 6, "CONNECT pool.test:3333 HTTP/1.1\r\nHost: pool.test:3333\r\n\r\n", `{"method":"CONNECT","protocol":"HTTP/1.1","host":"pool.test:3333","uri_path":"","headers":{},"content_length":0}`},
	"head is cut":   {httpRequest, 6, long, `{"method":"GET","protocol":"HTTP/1.1","host":"h","uri_path":"/long","headers":{"Cookie":["•••"]},"content_length":0}`},
	"body":          {httpRequest, 6, "POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", `{"method":"POST","protocol":"HTTP/1.1","host":"","uri_path":"/p","headers":{"Content-Length":["3"]},"content_length":3}`},
	"no line":       {httpRequest, 6, "GET /without/an/end", ""},
	"not HTTP":      {httpRequest, 6, "GET key\r\n\r\n", ""},
}

func TestDecode(t *testing.T) {
	for name, c := range samples {
		t.Run(name, func(t *testing.T) {
			var d Decoder
			e, err := d.Decode(record(c.def, c.proto, "192.0.2.1", []byte(c.payload)))
			if err != nil || c.want == "" {
				if err == nil || c.want != "" {
					t.Fatal(e, err)
				}
				return
			}
			if got := e.Str(argPayload); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if want := `{"src_ip":"192.0.2.1","dst_ip":"192.0.2.1","src_port":40000,"dst_port":53,"protocol":` + map[uint16]string{6: "6", 17: "17"}[c.proto] + `,"packet_len":99,"iface":"eth0"}`; e.Str(argMetadata) != want {
				t.Error(e.Str(argMetadata))
			}
			if e.HostPID != 42 || e.HostName() != "node" || e.Def != c.def {
				t.Error(e.Header, e.HostName())
			}
		})
	}
}

// A decoder's memory is that of the last event.
func TestDecodeReuses(t *testing.T) {
	var d Decoder
	e := record(dnsRequest, 17, "2001:db8::1", []byte(query))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.Decode(e); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever a payload is, what comes out is JSON, and bounded.
func FuzzDecode(f *testing.F) {
	defs := []*event.Def{dnsRequest, dnsResponse, httpRequest}
	for _, c := range samples {
		f.Add(uint8(slices.Index(defs, c.def)), c.proto, []byte(c.payload))
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, which uint8, proto uint16, payload []byte) {
		if len(payload) > 4096 {
			return
		}
		e, err := d.Decode(record(defs[int(which)%len(defs)], proto, "192.0.2.1", payload))
		if err != nil {
			return
		}
		for i := range e.Def.Args {
			if !json.Valid(e.Bytes(i)) {
				t.Errorf("not JSON: %q", e.Bytes(i))
			}
		}
		if n := len(e.Bytes(argPayload)); n > 200_000 {
			t.Errorf("%d bytes of %d", n, len(payload))
		}
	})
}
