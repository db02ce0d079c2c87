package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// Routers share findings by partitions. The server adds to the subject of each finding the number of its partition, made from
// cluster and host: what is grouped, or inhibits, mostly has the host in common, so that all of it is one router's, in order.
// Each partition has a durable consumer. Which router reads it follows from the list of routers that are alive, each of
// which says so in a bucket; there is no leader. While two lists differ two routers may read one partition: the server gives
// each finding to one of them, and the store's locks do the rest, so that nothing depends on the lists being equal.

// Partitions is how many there are, and so how many routers can share findings. It is part of subjects on disk.
const Partitions = 8

const (
	routersBucket = "TOCSIN_ROUTERS"
	// A router that has not said for memberGone that it is alive is not, and its partitions are the others'.
	memberBeat = 500 * time.Millisecond
	memberGone = 2500 * time.Millisecond
)

func partitionDurable(p int) string { return "router-" + strconv.Itoa(p) }

// partitionTransform has the server write the partition behind the subject.
func partitionTransform() *jetstream.SubjectTransformConfig {
	return &jetstream.SubjectTransformConfig{
		Source:      SubjectRoot + ".findings.*.*",
		Destination: fmt.Sprintf("%s.findings.{{wildcard(1)}}.{{wildcard(2)}}.{{partition(%d,1,2)}}", SubjectRoot, Partitions),
	}
}

// member is this router among those that share the work. It belongs to one goroutine.
type member struct {
	bus   *Bus
	id    string
	kv    jetstream.KeyValue
	watch jetstream.KeyWatcher // stands: opening one for each look costs the server a consumer
	end   context.CancelFunc   // of watch
	seen  map[string]time.Time // when each router last said that it is alive, by the server's clock
}

func (b *Bus) join(ctx context.Context) (*member, error) {
	m := &member{bus: b, id: nuid.Next(), end: func() {}}
	return m, m.open(ctx)
}

func (m *member) open(ctx context.Context) error {
	m.end()
	kv, err := m.bus.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: routersBucket, Description: "routers that are alive", TTL: time.Minute, Storage: jetstream.MemoryStorage, Replicas: int(m.bus.replicas.Load()),
	})
	if err != nil {
		return fmt.Errorf("open the list of routers: %w", err)
	}
	standing, end := context.WithCancel(context.WithoutCancel(ctx))
	opened := context.AfterFunc(ctx, end)
	w, err := kv.WatchAll(standing)
	if err != nil || !opened() {
		end()
		return fmt.Errorf("list routers: %w", errors.Join(err, ctx.Err()))
	}
	m.kv, m.watch, m.seen = kv, w, map[string]time.Time{}
	m.end = func() {
		_ = w.Stop() // it ends with the connection at the latest
		end()
	}
	return nil
}

// beat says that this router is alive and returns all that are, in one order for all. What goes wrong is begun anew with the next:
// a server that was started again has forgotten the bucket.
func (m *member) beat(ctx context.Context) (alive []string, err error) {
	if m.watch == nil {
		if err := m.open(ctx); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			m.end()
			m.watch = nil
		}
	}()
	revision, err := m.kv.PutString(ctx, m.id, "")
	if err != nil {
		return nil, fmt.Errorf("tell the other routers: %w", err)
	}
	// The watch is in order: when it has come to that, it has told of all that was said before.
	for own := uint64(0); own < revision; {
		select {
		case e, ok := <-m.watch.Updates():
			switch {
			case !ok:
				return nil, errors.New("list routers: the watch has ended")
			case e == nil: // all that was there at its beginning
			case e.Operation() != jetstream.KeyValuePut:
				delete(m.seen, e.Key())
			default:
				m.seen[e.Key()] = e.Created()
				if e.Key() == m.id {
					own = e.Revision()
				}
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("list routers: %w", ctx.Err())
		}
	}
	for id, at := range m.seen {
		if m.seen[m.id].Sub(at) < memberGone {
			alive = append(alive, id)
		} else {
			delete(m.seen, id) // until it says so again
		}
	}
	slices.Sort(alive)
	return alive, nil
}

// leave says that this router's partitions are free.
func (m *member) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	m.end()
	if err := m.kv.Delete(ctx, m.id); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		m.bus.log.Debug("list of routers", "error", err)
	}
}

// partitionsOf are the partitions of a router among those that are alive.
func partitionsOf(id string, alive []string) map[int]bool {
	own := map[int]bool{}
	for p := range Partitions {
		if len(alive) > 0 && alive[p%len(alive)] == id {
			own[p] = true
		}
	}
	return own
}

// share keeps reading the partitions that are this router's.
func (f *Findings) share(ctx context.Context) {
	tick := time.NewTicker(memberBeat)
	defer tick.Stop()
	for {
		beatCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
		alive, err := f.member.beat(beatCtx)
		cancel()
		if err == nil {
			err = f.read(partitionsOf(f.member.id, alive))
		}
		f.tend()
		if err != nil && ctx.Err() == nil {
			// Without the list everything stays as it is. Nobody else's list has this router for long.
			f.bus.log.Debug("partitions", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read begins to read those partitions of own that are not read yet, and ends with the others.
func (f *Findings) read(own map[int]bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := false
	var errs []error
	for p, reading := range f.reading {
		switch {
		case own[p] && reading == nil:
			reading, err := f.bus.pull(StreamFindings, partitionDurable(p), f.msgs, partitionAhead)
			if err != nil {
				errs = append(errs, fmt.Errorf("read partition %d of %s: %w", p, StreamFindings, err))
			}
			if reading != nil { // even one that could not ask yet
				f.reading[p], changed = reading, true
			}
		case !own[p] && reading != nil:
			reading.stop() // what has come is still handled here
			f.reading[p], changed = nil, true
		}
	}
	if changed {
		f.held.Store(int32(len(own)))
		f.bus.log.Info("this router reads findings", "partitions", len(own), "of", Partitions)
	}
	return errors.Join(errs...)
}

func (f *Findings) tend() {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, p := range f.reading {
		if p != nil {
			p.tend()
		}
	}
}

// createPartitions creates the consumers.
func (b *Bus) createPartitions(ctx context.Context) error {
	for p := range Partitions {
		filters := []string{fmt.Sprintf("%s.findings.*.*.%d", SubjectRoot, p)}
		if p == 0 { // what was published before the stream had partitions
			filters = append(filters, SubjectRoot+".findings.*.*")
		}
		_, err := b.js.CreateOrUpdateConsumer(ctx, StreamFindings, jetstream.ConsumerConfig{
			Durable: partitionDurable(p), FilterSubjects: filters, AckPolicy: jetstream.AckExplicitPolicy, AckWait: findingAckWait,
			MaxAckPending: 8192, MaxDeliver: -1,
		})
		if err != nil {
			return fmt.Errorf("create consumer of %s: %w", StreamFindings, err)
		}
	}
	return nil
}
