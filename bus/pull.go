package bus

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// pull has the server send a consumer's messages into a channel, where they may meet those of others. The client's library could do
// that, too: with a goroutine a consumer, two timers set a message, and a gap. While its goroutine that has just asked for more is held up, by a busy
// machine, until all of that has come, it does not ask again, and nothing comes before a heartbeat is missed, ten seconds later.
//
// Whoever reads the channel gives what it gets to take, and calls tend every memberBeat.
type pull struct {
	nc      *nats.Conn
	subject string // of requests
	most    int    // messages asked for and not taken
	to      chan *nats.Msg
	sub     *nats.Subscription
	ended   chan struct{} // closed when stop has ended, or the connection

	mu         sync.Mutex
	asked      int
	came       uint64 // messages and heartbeats
	seen       uint64 // came at the last tend
	silent     int    // times that tend found nothing new
	reconnects uint64
}

const (
	// A request stands for pullExpiry; while it does, the server says every pullHeartbeat that it has not forgotten it. One of which nothing
	// is heard for pullSilence tends, more than two heartbeats, is asked anew: the server that had it is gone.
	pullExpiry    = 10 * time.Second
	pullHeartbeat = 2500 * time.Millisecond
	pullSilence   = 11
)

// pull begins to read a durable consumer. The channel must have room for twice as much as all that send to it are asked for.
func (b *Bus) pull(stream, durable string, to chan *nats.Msg, most int) (*pull, error) {
	p := &pull{nc: b.nc, subject: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + durable, most: most, to: to, ended: make(chan struct{})}
	var err error
	if p.sub, err = b.nc.ChanSubscribe(b.nc.NewInbox(), to); err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", durable, err)
	}
	p.sub.SetClosedHandler(func(string) { close(p.ended) })
	p.reconnects = b.nc.Stats().Reconnects
	p.mu.Lock()
	defer p.mu.Unlock()
	return p, p.ask()
}

// ask asks for more when half of it has come. The caller has the lock.
func (p *pull) ask() error {
	n := p.most - p.asked
	if n < (p.most+1)/2 {
		return nil
	}
	request := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, n, pullExpiry, pullHeartbeat)
	if err := p.nc.PublishRequest(p.subject, p.sub.Subject, request); err != nil {
		return fmt.Errorf("ask for messages: %w", err) // tend tries again
	}
	p.asked += n
	return nil
}

// take counts what came, and reports whether it is a message, and not one of the server's words about the request (ADR-37 of NATS).
func (p *pull) take(m *nats.Msg) bool {
	status := statusOf(m)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came++
	switch status {
	case "":
		p.asked--
		_ = p.ask()
	case "100": // a heartbeat
	default: // the request has ended: in time, with a server, or because it does not serve the consumer
		left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
		if err != nil {
			p.asked = 0 // tend asks: at once it might be told the same for ever
			return false
		}
		p.asked = max(p.asked-left, 0)
		_ = p.ask()
	}
	return status == ""
}

// statusOf is the status of what is not a message; empty otherwise.
func statusOf(m *nats.Msg) string {
	if len(m.Data) > 0 {
		return ""
	}
	return m.Header.Get("Status")
}

// tend asks anew where the server has forgotten what it was asked.
func (p *pull) tend() {
	reconnects := p.nc.Stats().Reconnects
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.came != p.seen || len(p.to) > 0 { // what nobody has read yet is not silence
		p.seen, p.silent = p.came, 0
	} else {
		p.silent++
	}
	if p.silent >= pullSilence || reconnects != p.reconnects {
		p.asked, p.silent, p.reconnects = 0, 0, reconnects
	}
	_ = p.ask()
}

// stop has no more sent. What is under way still comes, before ended is closed.
func (p *pull) stop() {
	_ = p.sub.Drain() // or else the connection has ended, and with it p
}
