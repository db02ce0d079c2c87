package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tocsin-io/tocsin/event"
)

// Bounds of what is told of one packet; names in it may be compressed a hundredfold.
const (
	maxMessages  = 8 // of a TCP segment
	maxQuestions = 16
	maxAnswers   = 64
)

const protoTCP = 6

var errNotDNS = errors.New("not DNS")

// appendMessages appends the questions of a datagram or segment, or its answers, as the JSON that Tracee's rules read.
func appendMessages(b, payload []byte, proto uint16, response bool) ([]byte, error) {
	b = append(b, '[')
	start := len(b)
	if proto != protoTCP {
		b, err := appendMessage(b, payload, start, response)
		return append(b, ']'), err
	}
	for range maxMessages { // each behind its length, the last one perhaps cut
		if len(payload) < 2 {
			break
		}
		msg := payload[2:]
		n := int(binary.BigEndian.Uint16(payload))
		payload = nil
		if n < len(msg) {
			msg, payload = msg[:n], msg[n:]
		}
		var err error
		at := len(b)
		if b, err = appendMessage(b, msg, start, response); err != nil {
			if at == start {
				return b, err
			}
			b = b[:at]
			break
		}
	}
	return append(b, ']'), nil
}

// appendMessage appends what one message has; elements begin at start.
func appendMessage(b, msg []byte, start int, response bool) ([]byte, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.Response != response || h.OpCode != 0 {
		return b, errNotDNS
	}
	for n := 0; n < maxQuestions; n++ {
		q, err := p.Question()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		} else if err != nil {
			return b, errNotDNS
		}
		if len(b) > start {
			b = append(b, ',')
		}
		if !response {
			b = appendQuestion(b, &q)
			continue
		}
		b = append(b, `{"query_data":`...)
		b = appendQuestion(b, &q)
		b = append(b, `,"dns_answer":[`...)
		b = appendAnswers(b, &p)
		return append(b, `]}`...), nil // answers do not say which question they are for; nobody asks two
	}
	if len(b) == start {
		return b, errNotDNS
	}
	return b, nil
}

func appendQuestion(b []byte, q *dnsmessage.Question) []byte {
	b = append(b, `{"query":`...)
	b = appendName(b, &q.Name)
	b = append(b, `,"query_type":"`...)
	b = append(b, typeName(q.Type)...)
	b = append(b, `","query_class":"`...)
	b = append(b, className(q.Class)...)
	return append(b, `"}`...)
}

// appendAnswers appends the answers as far as they can be read: a long response is cut.
func appendAnswers(b []byte, p *dnsmessage.Parser) []byte {
	if p.SkipAllQuestions() != nil {
		return b
	}
	start := len(b)
	for range maxAnswers {
		h, err := p.AnswerHeader()
		if err != nil {
			return b
		}
		at := len(b)
		if at > start {
			b = append(b, ',')
		}
		b = append(b, `{"answer_type":"`...)
		b = append(b, typeName(h.Type)...)
		b = append(b, `","ttl":`...)
		b = strconv.AppendUint(b, uint64(h.TTL), 10)
		b = append(b, `,"answer":`...)
		if b, err = appendAnswer(b, p, h.Type); err != nil {
			return b[:at]
		}
		b = append(b, '}')
	}
	return b
}

func appendAnswer(b []byte, p *dnsmessage.Parser, t dnsmessage.Type) ([]byte, error) {
	switch t {
	case dnsmessage.TypeA:
		r, err := p.AResource()
		return appendAddr(b, netip.AddrFrom4(r.A)), err
	case dnsmessage.TypeAAAA:
		r, err := p.AAAAResource()
		return appendAddr(b, netip.AddrFrom16(r.AAAA)), err
	case dnsmessage.TypeCNAME:
		r, err := p.CNAMEResource()
		return appendName(b, &r.CNAME), err
	case dnsmessage.TypeNS:
		r, err := p.NSResource()
		return appendName(b, &r.NS), err
	case dnsmessage.TypePTR:
		r, err := p.PTRResource()
		return appendName(b, &r.PTR), err
	case dnsmessage.TypeMX:
		r, err := p.MXResource()
		return appendName(b, &r.MX), err
	case dnsmessage.TypeSRV:
		r, err := p.SRVResource()
		return appendName(b, &r.Target), err
	case dnsmessage.TypeTXT:
		r, err := p.TXTResource()
		return event.AppendText(b, strings.Join(r.TXT, "")), err
	}
	return append(b, `""`...), p.SkipAnswer()
}

func appendAddr(b []byte, a netip.Addr) []byte {
	return append(a.AppendTo(append(b, '"')), '"')
}

// appendName appends a name as people write it, without the dot at the end.
func appendName(b []byte, n *dnsmessage.Name) []byte {
	d := n.Data[:n.Length]
	if len(d) > 0 && d[len(d)-1] == '.' {
		d = d[:len(d)-1]
	}
	return event.AppendText(b, text(d))
}

// otherTypes are types that the library has no name for (IANA, DNS parameters).
var otherTypes = map[dnsmessage.Type]string{
	35: "NAPTR", 39: "DNAME", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA", 64: "SVCB",
	65: "HTTPS", 99: "SPF", 256: "URI", 257: "CAA", 10: "NULL",
}

// typeNames has what String would put together.
var typeNames = func() map[dnsmessage.Type]string {
	names := otherTypes
	for _, t := range []dnsmessage.Type{
		dnsmessage.TypeA, dnsmessage.TypeNS, dnsmessage.TypeCNAME, dnsmessage.TypeSOA, dnsmessage.TypePTR, dnsmessage.TypeMX, dnsmessage.TypeTXT,
		dnsmessage.TypeAAAA, dnsmessage.TypeSRV, dnsmessage.TypeOPT, dnsmessage.TypeWKS, dnsmessage.TypeHINFO, dnsmessage.TypeMINFO,
		dnsmessage.TypeAXFR, dnsmessage.TypeALL,
	} {
		names[t] = strings.TrimPrefix(t.String(), "Type")
	}
	return names
}()

func typeName(t dnsmessage.Type) string {
	if s := typeNames[t]; s != "" {
		return s
	}
	return strconv.Itoa(int(t))
}

func className(c dnsmessage.Class) string {
	switch c {
	case dnsmessage.ClassINET:
		return "IN"
	case dnsmessage.ClassCHAOS:
		return "CH"
	case dnsmessage.ClassHESIOD:
		return "HS"
	case dnsmessage.ClassANY:
		return "ANY"
	}
	return strconv.Itoa(int(c))
}
