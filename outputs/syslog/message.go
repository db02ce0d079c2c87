package syslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

// Limits of RFC 5424, section 6, in bytes.
const (
	maxHostname = 255
	maxAppName  = 48
	maxProcID   = 128
	maxMsgID    = 32
	maxSDName   = 32
)

// severities are syslog's for Tocsin's: informational, notice, warning, error, critical. Alert and emergency are not
// used: they make some systems write to every terminal.
var severities = [...]int{6, 5, 4, 3, 2}

// facilities are the names of RFC 5424, table 1, as logger(1) and syslog.conf have them, without kern: a message of a
// user program never carries facility 0.
var facilities = map[string]int{
	"user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// enterprise is the number in the id of the structured data. Tocsin has none of its own; 32473 is reserved for
// documentation and examples (RFC 5612) and receivers take it as any other.
const enterprise = "tocsin@32473"

// appendMessage writes an RFC 5424 message. body is its MSG part.
func appendMessage(b []byte, facility int, app string, v *encode.View, body []byte) []byte {
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(facility*8+severities[min(int(v.Severity), len(severities)-1)]), 10)
	b = append(b, ">1 "...)
	// TIME-SECFRAC has at most six digits.
	b = v.LastSeen.UTC().Truncate(time.Microsecond).AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, ' ')
	b = appendName(b, v.Host, maxHostname)
	b = append(b, ' ')
	b = appendName(b, app, maxAppName)
	b = append(b, ' ')
	procID := ""
	if v.Process != nil {
		procID = strconv.FormatUint(uint64(v.Process.PID), 10)
	}
	b = appendName(b, procID, maxProcID)
	b = append(b, ' ')
	b = appendName(b, v.Rule.ID, maxMsgID)
	b = append(b, ' ')
	b = appendData(b, v)
	b = append(b, ' ')
	// The text is UTF-8; RFC 5424 wants that marked with a byte order mark, but receivers show it or choke on JSON behind
	// it, and a MSG without one may have any encoding.
	return append(b, body...)
}

// appendName writes a header field: printable ASCII without spaces, or the nil value.
func appendName(b []byte, s string, limit int) []byte {
	start := len(b)
	for i := 0; i < len(s) && len(b)-start < limit; i++ {
		if c := s[i]; c > ' ' && c < 0x7f {
			b = append(b, c)
		} else if len(b) > start && b[len(b)-1] != '_' {
			b = append(b, '_')
		}
	}
	if len(b) == start {
		b = append(b, '-')
	}
	return b
}

// appendData writes one element of structured data.
func appendData(b []byte, v *encode.View) []byte {
	b = append(b, '[')
	b = append(b, enterprise...)
	param := func(name, value string) {
		if value == "" {
			return
		}
		b = append(b, ' ')
		b = appendName(b, name, maxSDName)
		b = append(b, '=', '"')
		for _, r := range strings.ToValidUTF8(value, "�") {
			switch {
			case r == '"' || r == '\\' || r == ']':
				b = append(b, '\\', byte(r))
			case r < ' ' || r == 0x7f:
				b = append(b, ' ')
			default:
				b = append(b, string(r)...)
			}
		}
		b = append(b, '"')
	}
	param("id", v.Notification.ID)
	param("kind", string(v.Kind))
	param("alert", v.UID)
	param("rule", v.Rule.ID)
	param("severity", v.Severity.String())
	param("tactic", ids(v.Tactics()))
	param("technique", ids(v.Precise()))
	param("cluster", v.Cluster)
	param("origin", v.Origin)
	if c := v.Container; c != nil {
		param("container", c.ID)
		param("image", c.Image)
	}
	if k := v.Kubernetes; k != nil {
		param("namespace", k.Namespace)
		param("pod", k.PodName)
	}
	if p := v.Process; p != nil {
		param("process", p.Name)
		param("executable", p.Executable)
	}
	param("count", strconv.FormatUint(v.Count, 10))
	return append(b, ']')
}

func ids(list []finding.Ref) string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.ID
	}
	return strings.Join(out, ",")
}

// oneLine keeps a body in one line: some receivers end a message at a newline whatever the framing says.
func oneLine(body []byte) []byte {
	for i, c := range body {
		if c < ' ' && c != '\t' {
			body[i] = ' '
		}
	}
	return body
}

// frame writes a message with octet counting (RFC 6587, 3.4.1).
func frame(b, message []byte) []byte {
	b = strconv.AppendInt(b, int64(len(message)), 10)
	b = append(b, ' ')
	return append(b, message...)
}

func facility(name string) (int, error) {
	if n, ok := facilities[name]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("unknown facility %q", name)
}
