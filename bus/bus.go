// Package bus is all that knows NATS: the streams, the publisher of findings, and the consumers.
//
// Findings go to the stream FINDINGS, each with its id as message id, so that a repeat within the window is dropped by
// the server. Notifications wait in one work queue an output, DELIVER_<output>, until the destination has taken them;
// what is given up goes to DEAD with the error. Everything is on disk, and every acknowledgement is explicit.
//
// All types are safe for concurrent use.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Names of streams, subjects and consumers. A subject is built with Token from what users named.
const (
	StreamFindings = "FINDINGS"
	StreamDead     = "DEAD"
	SubjectRoot    = "tocsin"
	queuePrefix    = "DELIVER_"
	queueDurable   = "deliver"

	// dedupWindow is how long the server remembers message ids. Whoever replays after that meets the store's ids.
	dedupWindow = 30 * time.Second
	// What a killed router had in hand comes to another one, or to the next, after these times.
	findingAckWait = 5 * time.Second
	ackWait        = 5 * time.Second
	// asyncTimeout bounds the wait for the server's word that a message is stored.
	asyncTimeout = 10 * time.Second
)

// Options say how to reach NATS: over a URL, or through a server in this process.
type Options struct {
	URL            string
	Creds          string // path of a credentials file
	User, Password string
	Token          func() (string, error) // asked at each connect, so that a token may be replaced
	TLS            *tls.Config
	Server         nats.InProcessConnProvider
	Name           string // shown in the server's monitoring
	Log            *slog.Logger
}

// Bus is a connection to NATS. It reconnects for ever.
type Bus struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log *slog.Logger

	replicas atomic.Int32 // of streams; buckets have as many
}

// Connect connects, and returns at once also when the server at the URL can't be reached yet: publishers spool, and
// consumers wait, until it can.
func Connect(opts Options) (*Bus, error) {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var told news
	o := []nats.Option{
		// Who is refused may be let in later: the server's users, or a token, are put right while this program runs.
		nats.IgnoreAuthErrorAbort(),
		nats.Name(opts.Name), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, time.Second), nats.ReconnectBufSize(-1), nats.Timeout(5 * time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if told.first(err) {
				log.Warn("nats", "error", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if told.first(err) {
				log.Warn("NATS is not reached; it is tried on", "error", err)
			}
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("nats connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("nats connection is back", "url", nc.ConnectedUrlRedacted()) }),
	}
	switch {
	case opts.Server != nil:
		o = append(o, nats.InProcessServer(opts.Server))
	case opts.URL == "":
		return nil, errors.New("connect to NATS: neither a URL nor an embedded server is configured")
	default:
		o = append(o, nats.RetryOnFailedConnect(true))
	}
	if opts.User != "" {
		o = append(o, nats.UserInfo(opts.User, opts.Password))
	}
	if opts.Token != nil {
		o = append(o, nats.TokenHandler(func() string {
			token, err := opts.Token()
			if told.first(err) {
				log.Error("the token for NATS can't be read", "error", err)
			}
			return token
		}))
	}
	if opts.Creds != "" {
		o = append(o, nats.UserCredentials(opts.Creds))
	}
	if opts.TLS != nil {
		o = append(o, nats.Secure(opts.TLS))
	}
	nc, err := nats.Connect(opts.URL, o...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(asyncTimeout), jetstream.WithPublishAsyncTimeout(asyncTimeout))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return &Bus{nc: nc, js: js, log: log}, nil
}

// news tells what is new from what is said again: an error that each try to connect meets is logged once in tellAgain.
type news struct {
	mu   sync.Mutex
	text string
	at   time.Time
}

const tellAgain = time.Minute

func (n *news) first(err error) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil || n.text == err.Error() && time.Since(n.at) < tellAgain {
		return false
	}
	n.text, n.at = err.Error(), time.Now()
	return true
}

// Connected reports whether the server can be reached now.
func (b *Bus) Connected() bool { return b.nc.IsConnected() }

// Close ends the connection, once the server has read all acknowledgements. What waits in a Publisher is the Publisher's
// to flush before.
func (b *Bus) Close() {
	if b.nc.IsConnected() {
		_ = b.nc.FlushTimeout(5 * time.Second)
	}
	b.nc.Close()
}

// Streams says which streams there shall be. The zero value of a bound takes a default.
type Streams struct {
	Outputs  []string
	MaxAge   time.Duration // of findings and dead letters; 0 means 7 days
	MaxBytes int64         // of FINDINGS, and of each queue; 0 means 1 GiB, or less on a small disk
	Replicas int           // 0 means 1
}

var badToken = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// Token makes one subject token of any text; what NATS can't have in a token becomes "_".
func Token(s string) string {
	if s == "" {
		return "_"
	}
	return badToken.ReplaceAllString(s, "_")
}

// QueueStream is the name of an output's work queue.
func QueueStream(output string) string { return queuePrefix + Token(output) }

func queueSubject(output string) string { return SubjectRoot + ".deliver." + Token(output) }
func deadSubject(output string) string  { return SubjectRoot + ".dead." + Token(output) }

// FindingsSubject is where a sensor publishes.
func FindingsSubject(cluster, host string) string {
	if cluster == "" {
		cluster = "default"
	}
	return SubjectRoot + ".findings." + Token(cluster) + "." + Token(host)
}

// configs are the streams as data. All refuse new messages when full: the publisher then keeps them (spool, outbox)
// instead of the server dropping what nobody has read. Not even the queues let the server delete what is acknowledged:
// its own work queues pay an fsync for each acknowledgement under sync: always. A sweeper deletes in bulk.
func (s Streams) configs() []jetstream.StreamConfig {
	age, size, replicas := s.MaxAge, s.MaxBytes, max(s.Replicas, 1)
	if age == 0 {
		age = 7 * 24 * time.Hour
	}
	if size == 0 {
		size = 1 << 30
	}
	list := []jetstream.StreamConfig{
		{
			Name: StreamFindings, Description: "findings of all sensors", Subjects: []string{SubjectRoot + ".findings.>"},
			Retention: jetstream.LimitsPolicy, MaxAge: age, MaxBytes: size, SubjectTransform: partitionTransform(),
		},
		{
			Name: StreamDead, Description: "notifications that were given up", Subjects: []string{SubjectRoot + ".dead.>"},
			Retention: jetstream.LimitsPolicy, MaxAge: 90 * 24 * time.Hour, MaxBytes: size,
		},
	}
	for _, o := range s.Outputs {
		list = append(list, jetstream.StreamConfig{
			Name: QueueStream(o), Description: "notifications waiting for output " + o, Subjects: []string{queueSubject(o)},
			Retention: jetstream.LimitsPolicy, MaxBytes: size,
		})
	}
	for i := range list {
		c := &list[i]
		c.Storage, c.Replicas, c.Discard, c.Duplicates = jetstream.FileStorage, replicas, jetstream.DiscardNew, dedupWindow
		c.AllowAtomicPublish = true
	}
	return list
}

// reachWithin is how long a server, or a cluster of them, may take to come up that was started together with this program.
const reachWithin = 30 * time.Second

// reach waits for the server, and for the leader of its cluster. What is asked of a server that is away fails with an error about a
// buffer; what is asked of a cluster without a leader is not answered.
func (b *Bus) reach(ctx context.Context) error {
	for start := time.Now(); ; {
		connected := b.nc.IsConnected()
		if connected && !incomplete(b.ask(ctx)) {
			return nil // what else is wrong, creating the streams says
		}
		switch {
		case time.Since(start) < reachWithin:
		case connected:
			return fmt.Errorf("the servers of NATS have not found each other within %v: are most of them up, and their routes right?", reachWithin)
		default:
			text := fmt.Sprintf("NATS is not reached within %v: is it up, at the address that nats.url says?", reachWithin)
			if err := b.nc.LastError(); err != nil && !errors.Is(err, nats.ErrNoServers) { // it is up, and refuses
				text = fmt.Sprintf("NATS does not let this program in: is the token, the user or the certificate right? The last error: %v", err)
			}
			return errors.New(text)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b *Bus) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := b.js.AccountInfo(ctx)
	return err
}

// Ensure creates the streams, or brings them to what s says. It waits for a server that is not up yet.
func (b *Bus) Ensure(ctx context.Context, s Streams) error {
	if err := b.reach(ctx); err != nil {
		return err
	}
	complete := time.Now().Add(reachWithin)
	b.replicas.Store(int32(max(s.Replicas, 1)))
	seen := map[string]string{}
	for _, o := range s.Outputs {
		if other, ok := seen[Token(o)]; ok {
			return fmt.Errorf("outputs %q and %q would share a queue: rename one", other, o)
		}
		seen[Token(o)] = o
	}
	for _, c := range s.configs() {
		if err := b.ensure(ctx, c, s.MaxBytes == 0, complete); err != nil {
			return err
		}
	}
	return nil
}

// minStream is the least bound that a small disk is asked for, in bytes.
const minStream = 1 << 20

// ensure creates one stream. NATS sets the bound of each stream aside, so that a small disk may not have it: then the
// stream gets what there is, and the log says so. keep is whether a stream that had to be small before stays so.
// A cluster that has no leader yet is asked again until complete.
func (b *Bus) ensure(ctx context.Context, c jetstream.StreamConfig, keep bool, complete time.Time) error {
	wanted := c.MaxBytes
	if keep {
		if old, err := b.js.Stream(ctx, c.Name); err == nil {
			c.MaxBytes = old.CachedInfo().Config.MaxBytes
		}
	}
	for {
		_, err := b.js.CreateOrUpdateStream(ctx, c)
		if err == nil {
			if c.MaxBytes < wanted {
				b.log.Warn("a stream is smaller than it should be: the disk of NATS has no more to set aside", "stream", c.Name, "bytes", c.MaxBytes, "wanted", wanted)
			}
			return nil
		}
		var api *jetstream.APIError
		full := errors.As(err, &api) && (api.ErrorCode == 10047 || api.ErrorCode == 10028 || api.ErrorCode == 10023)
		switch {
		case full && c.MaxBytes/8 >= minStream:
			c.MaxBytes /= 8 // the others need some, too
		case full:
			return fmt.Errorf("create stream %s: the disk of NATS has not even %d MiB to set aside for it%s: free some space there, or set nats.max_bytes lower: %w", c.Name, c.MaxBytes>>20, b.account(ctx), err)
		case ctx.Err() == nil && incomplete(err) && time.Now().Before(complete):
			time.Sleep(100 * time.Millisecond)
		default:
			return fmt.Errorf("create stream %s: %w", c.Name, err)
		}
	}
}

// incomplete is what a cluster answers, or does not answer, whose servers have not found each other yet.
func incomplete(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &api) && (api.ErrorCode == 10005 || api.ErrorCode == 10008)
}

// account says how much NATS may store, and has set aside.
func (b *Bus) account(ctx context.Context) string {
	info, err := b.js.AccountInfo(ctx)
	if err != nil || info.Limits.MaxStore <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d MiB are taken)", info.ReservedStore>>20, info.Limits.MaxStore>>20)
}

// Backlogs returns how many notifications wait for each output that has a queue, by its name as a Token, also for outputs
// that are no longer configured.
func (b *Bus) Backlogs(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	list := b.js.ListStreams(ctx)
	for info := range list.Info() {
		name, ok := strings.CutPrefix(info.Config.Name, queuePrefix)
		if !ok {
			continue
		}
		out[name] = info.State.Msgs
		cons, err := b.js.Consumer(ctx, info.Config.Name, queueDurable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue // nobody has ever read it
		}
		if err != nil {
			return nil, fmt.Errorf("read queue %s: %w", info.Config.Name, err)
		}
		ci := cons.CachedInfo()
		out[name] = ci.NumPending + uint64(ci.NumAckPending)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	return out, nil
}

// FindingsBacklog returns how many findings are not acknowledged: those that no router has read yet, and those in hand.
func (b *Bus) FindingsBacklog(ctx context.Context) (n uint64, err error) {
	for p := range Partitions {
		cons, err := b.js.Consumer(ctx, StreamFindings, partitionDurable(p))
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue // no router has ever read it
		}
		if err != nil {
			return 0, fmt.Errorf("read partition %d of %s: %w", p, StreamFindings, err)
		}
		ci := cons.CachedInfo()
		n += ci.NumPending + uint64(ci.NumAckPending)
	}
	return n, nil
}

// Discard deletes an output's queue with all that waits in it.
func (b *Bus) Discard(ctx context.Context, output string) error {
	if err := b.js.DeleteStream(ctx, QueueStream(output)); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete the queue of output %s: %w", output, err)
	}
	return nil
}
