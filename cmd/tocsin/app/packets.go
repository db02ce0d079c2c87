package app

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
)

// packetText writes what is told of a packet as a line for people; other documents stay as they are.
func packetText(typ string, raw []byte) string {
	var say func() string
	var into any
	switch typ {
	case "trace.PktMeta":
		var m struct {
			Src      string `json:"src_ip"`
			Dst      string `json:"dst_ip"`
			SrcPort  int    `json:"src_port"`
			DstPort  int    `json:"dst_port"`
			Protocol int    `json:"protocol"`
		}
		into = &m
		say = func() string {
			protocol := map[int]string{6: "tcp", 17: "udp"}[m.Protocol]
			return strings.TrimSpace(fmt.Sprintf("%s→%s %s", net.JoinHostPort(m.Src, fmt.Sprint(m.SrcPort)), net.JoinHostPort(m.Dst, fmt.Sprint(m.DstPort)), protocol))
		}
	case "[]trace.DnsQueryData":
		var list []dnsQuestion
		into = &list
		say = func() string {
			var out []string
			for _, q := range list {
				out = append(out, q.String())
			}
			return strings.Join(out, ", ")
		}
	case "[]trace.DnsResponseData":
		var list []struct {
			Question dnsQuestion `json:"query_data"`
			Answers  []struct {
				Answer string `json:"answer"`
			} `json:"dns_answer"`
		}
		into = &list
		say = func() string {
			var out []string
			for _, r := range list {
				text := r.Question.String() + " ="
				for _, a := range r.Answers {
					text += " " + a.Answer
				}
				out = append(out, text)
			}
			return strings.Join(out, ", ")
		}
	case "trace.ProtoHTTPRequest":
		var r struct {
			Method string `json:"method"`
			Host   string `json:"host"`
			Path   string `json:"uri_path"`
		}
		into = &r
		say = func() string { return r.Method + " " + r.Host + r.Path }
	}
	if say == nil || json.Unmarshal(raw, into) != nil {
		return string(raw)
	}
	return say()
}

type dnsQuestion struct {
	Query string `json:"query"`
	Type  string `json:"query_type"`
}

func (q dnsQuestion) String() string { return q.Query + " " + q.Type }
