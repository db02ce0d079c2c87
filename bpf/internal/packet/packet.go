// Package packet turns the events of packets as the kernel gives them, addresses and payload, into what rules see: the questions
// and answers of DNS, and the heads of HTTP requests.
package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"unsafe"

	"github.com/tocsin-io/tocsin/event"
)

// Arguments of every event of packets.
const (
	argMetadata = iota
	argPayload
)

// headSize is the size of struct packet_head in packet.bpf.c, which comes before the payload.
const headSize = 16 + 2 + 2 + 4 + 16

var (
	dnsRequest  = event.ByName("net_packet_dns_request")
	dnsResponse = event.ByName("net_packet_dns_response")
	httpRequest = event.ByName("net_packet_http_request")
)

// Is reports whether Decode is needed for the event.
func Is(def *event.Def) bool { return def == dnsRequest || def == dnsResponse || def == httpRequest }

var (
	errMalformed = errors.New("malformed record of a packet")
	errTooLong   = errors.New("too long")
)

// Unparsed are the errors of Decode that say why a packet cannot be parsed.
var Unparsed = []error{errNotDNS, errNotHTTP, errTooLong}

// A Decoder is used by one goroutine.
type Decoder struct {
	builder event.Builder
	buf     []byte
	http    requestReader
}

// Decode returns the event that rules see, which is valid until the next call. A packet that only looked like DNS or HTTP is
// one of the errors of Unparsed.
func (d *Decoder) Decode(e *event.Event) (*event.Event, error) {
	to, raw := e.Sockaddr(argMetadata), e.Bytes(argPayload)
	if len(raw) <= headSize || !to.Addr.IsValid() {
		return nil, errMalformed
	}
	head, payload := raw[:headSize], raw[headSize:]
	from := netip.AddrFrom4([4]byte(head[:4]))
	if to.Addr.Is6() {
		from = netip.AddrFrom16([16]byte(head[:16]))
	}
	proto := binary.NativeEndian.Uint16(head[18:])
	iface, _, _ := bytes.Cut(head[24:], []byte{0})
	b := append(d.buf[:0], `{"src_ip":"`...)
	b = from.AppendTo(b)
	b = append(b, `","dst_ip":"`...)
	b = to.Addr.AppendTo(b)
	b = append(b, `","src_port":`...)
	b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(head[16:])), 10)
	b = append(b, `,"dst_port":`...)
	b = strconv.AppendUint(b, uint64(to.Port), 10)
	b = append(b, `,"protocol":`...)
	b = strconv.AppendUint(b, uint64(proto), 10)
	b = append(b, `,"packet_len":`...)
	b = strconv.AppendUint(b, uint64(binary.NativeEndian.Uint32(head[20:])), 10)
	b = append(b, `,"iface":`...)
	b = append(event.AppendText(b, text(iface)), '}')
	n := len(b)
	var err error
	switch e.Def {
	case dnsRequest:
		b, err = appendMessages(b, payload, proto, false)
	case dnsResponse:
		b, err = appendMessages(b, payload, proto, true)
	default:
		b, err = d.http.append(b, payload)
	}
	d.buf = b
	if err != nil {
		if e.Flags&event.FlagTruncated != 0 {
			err = errTooLong
		}
		return nil, err
	}
	d.builder.Reset(e.Def, e)
	d.builder.SetRaw(argMetadata, b[:n])
	d.builder.SetRaw(argPayload, b[n:])
	return d.builder.Event(), nil
}

// text looks at bytes as a string, as long as they stay.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
