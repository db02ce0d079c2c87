package packet

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/event"
)

var errNotHTTP = errors.New("not HTTP")

// shownHeaders are the ones whose values are told: of others, which may be passwords and tokens, only the names are.
var shownHeaders = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Cache-Control": true, "Connection": true, "Content-Encoding": true, "Content-Length": true,
	"Content-Type": true, "Expect": true, "Metadata": true, "Metadata-Flavor": true, "Range": true, "Server": true, "Te": true, "Transfer-Encoding": true,
	"Upgrade": true, "User-Agent": true, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds": true, "X-Forwarded-For": true, "X-Requested-With": true,
}

const hidden = "•••"

// A requestReader parses heads of requests, with the same buffers for all.
type requestReader struct {
	src bytes.Reader
	buf *bufio.Reader
}

// append appends a request as the JSON that Tracee's rules read. The query of the path is left out: it may hold secrets. The head may be cut.
func (r *requestReader) append(b, payload []byte) ([]byte, error) {
	head := payload
	if !bytes.Contains(payload, []byte("\n\r\n")) && !bytes.Contains(payload, []byte("\n\n")) {
		head = append(slices.Clone(payload[:bytes.LastIndexByte(payload, '\n')+1]), "\r\n"...)
	}
	r.src.Reset(head)
	if r.buf == nil {
		r.buf = bufio.NewReader(&r.src)
	} else {
		r.buf.Reset(&r.src)
	}
	req, err := http.ReadRequest(r.buf)
	if err != nil {
		return b, errNotHTTP
	}
	path := req.URL.Path
	if path == "" {
		path = req.URL.Opaque // "*", or of CONNECT nothing
	}
	b = append(b, `{"method":`...)
	b = event.AppendText(b, req.Method)
	b = append(b, `,"protocol":`...)
	b = event.AppendText(b, req.Proto)
	b = append(b, `,"host":`...)
	b = event.AppendText(b, req.Host)
	b = append(b, `,"uri_path":`...)
	b = event.AppendText(b, path)
	b = append(b, `,"headers":{`...)
	for i, name := range slices.Sorted(maps.Keys(req.Header)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(event.AppendText(b, strings.ToValidUTF8(name, "?")), ':', '[')
		for n, v := range req.Header[name] {
			if n > 0 {
				b = append(b, ',')
			}
			if !shownHeaders[name] {
				v = hidden
			}
			b = event.AppendText(b, v)
		}
		b = append(b, ']')
	}
	b = append(b, `},"content_length":`...)
	b = strconv.AppendInt(b, req.ContentLength, 10)
	return append(b, '}'), nil
}
