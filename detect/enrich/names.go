package enrich

import (
	"encoding/json"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// Bounds of what is remembered of answers to DNS queries, for each container and for the host.
const (
	maxAddresses = 4096
	maxNames     = 8                  // of an address
	keepNames    = 300_000_000_000    // ns; programs use addresses for longer than they may
	mostNames    = 86_400_000_000_000 // ns; a day, whatever an answer says
)

// names are the names that addresses were resolved from. What one container is told is not believed of another.
type names map[string]*answers // by container; "" is the host

// answers are those of one container. The oldest address goes first.
type answers struct {
	of    map[netip.Addr]named
	order []netip.Addr // ring, as soon as it is full
	next  int
}

type named struct {
	names   []byte // each with its NUL, as an event has them
	count   int
	expires uint64 // wall clock, ns
}

// A response is what net_packet_dns_response tells.
type response struct {
	Query   struct{ Query string } `json:"query_data"`
	Answers []struct {
		Type   string `json:"answer_type"`
		TTL    uint64 `json:"ttl"`
		Answer string `json:"answer"`
	} `json:"dns_answer"`
}

// learn remembers the addresses of a response under the name that was asked for and its aliases.
func (n names) learn(container string, text []byte, now uint64) {
	var responses []response
	if json.Unmarshal(text, &responses) != nil {
		return
	}
	for _, r := range responses {
		all := []string{r.Query.Query}
		for _, a := range r.Answers {
			if a.Type == "CNAME" && len(all) < maxNames {
				all = append(all, a.Answer)
			}
		}
		for _, a := range r.Answers {
			if a.Type != "A" && a.Type != "AAAA" {
				continue
			}
			if addr, err := netip.ParseAddr(a.Answer); err == nil {
				n.add(container, addr.Unmap(), all, now+min(max(a.TTL*1_000_000_000, keepNames), mostNames), now)
			}
		}
	}
}

func (n names) add(container string, addr netip.Addr, all []string, expires, now uint64) {
	c := n[container]
	if c == nil {
		c = &answers{of: map[netip.Addr]named{}}
		n[container] = c
	}
	known, ok := c.of[addr]
	switch {
	case !ok && len(c.order) < maxAddresses:
		c.order = append(c.order, addr)
	case !ok:
		delete(c.of, c.order[c.next])
		c.order[c.next] = addr
		c.next = (c.next + 1) % maxAddresses
	case known.expires < now:
		known = named{}
	}
	fresh := named{names: slices.Clone(known.names), count: known.count, expires: max(known.expires, expires)}
	for _, name := range all {
		if fresh.count < maxNames && !fresh.has(name) {
			fresh.names = append(append(fresh.names, name...), 0)
			fresh.count++
		}
	}
	c.of[addr] = fresh
}

func (d *named) has(name string) bool {
	for b := d.names; len(b) > 0; {
		end := slices.Index(b, 0)
		if string(b[:end]) == name {
			return true
		}
		b = b[end+1:]
	}
	return false
}

// of returns the names that an address has in a container, each with its NUL.
func (n names) of(container string, addr netip.Addr, now uint64) []byte {
	c := n[container]
	if c == nil {
		return nil
	}
	if d := c.of[addr.Unmap()]; d.expires >= now {
		return d.names
	}
	return nil
}

// connection makes net_tcp_connect of a connection that is being opened.
func (e *Enricher) connection(ev *event.Event) {
	to := ev.Sockaddr(args.remoteAddr)
	if !to.Addr.IsValid() || to.Port == 0 || ev.Has(args.sockType) && ev.Uint(args.sockType) != unix.SOCK_STREAM {
		return
	}
	e.text = to.Addr.Unmap().AppendTo(e.text[:0])
	e.derive.Reset(defs.connect, ev)
	e.derive.SetRaw(args.dst, e.text)
	e.derive.SetUint(args.dstPort, uint64(to.Port))
	e.derive.SetRaw(args.dstDNS, e.names.of(place(ev), to.Addr, e.now))
	made := e.derive.Event()
	made.Process, made.Container, made.Kubernetes = ev.Process, ev.Container, ev.Kubernetes
	e.opts.Derive(made)
}

func place(ev *event.Event) string {
	if ev.Container == nil {
		return ""
	}
	return ev.Container.ID
}
