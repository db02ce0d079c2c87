package app

import "testing"

func TestPacketText(t *testing.T) {
	for _, c := range []struct{ typ, raw, want string }{
		{"trace.PktMeta", `{"src_ip":"10.0.0.1","dst_ip":"2001:db8::1","src_port":4000,"dst_port":53,"protocol":17,"packet_len":62,"iface":"lo"}`, "10.0.0.1:4000→[2001:db8::1]:53 udp"},
		{"[]trace.DnsQueryData", `[{"query":"pool.example.com","query_type":"A","query_class":"IN"},{"query":"b.test","query_type":"TXT","query_class":"IN"}]`, "pool.example.com A, b.test TXT"},
		{"[]trace.DnsResponseData", `[{"query_data":{"query":"a.test","query_type":"A","query_class":"IN"},"dns_answer":[{"answer_type":"CNAME","ttl":60,"answer":"b.test"},{"answer_type":"A","ttl":60,"answer":"192.0.2.7"}]}]`, "a.test A = b.test 192.0.2.7"},
		{"trace.ProtoHTTPRequest", `{"method":"GET","protocol":"HTTP/1.1","host":"h:80","uri_path":"/p","headers":{},"content_length":0}`, "GET h:80/p"},
		{"trace.PktMeta", `[]`, "[]"},
		{"something", `{"a":1}`, `{"a":1}`},
	} {
		if got := packetText(c.typ, []byte(c.raw)); got != c.want {
			t.Errorf("%s: %q, want %q", c.typ, got, c.want)
		}
	}
}
