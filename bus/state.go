package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	stateBucket = "TOCSIN_STATE"
	stateTTL    = 30 * 24 * time.Hour
)

// State is a small key-value store that all routers share: what an output must remember of an alert, such as the Slack
// thread that tells of it. Entries that nobody has written for 30 days are forgotten.
type State struct {
	bus *Bus
	mu  sync.Mutex
	kv  jetstream.KeyValue
}

// State returns the store. Its bucket is created when it is first used.
func (b *Bus) State() *State { return &State{bus: b} }

func (s *State) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kv == nil {
		kv, err := s.bus.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: stateBucket, Description: "what outputs remember of alerts", TTL: stateTTL, Storage: jetstream.FileStorage, Replicas: int(s.bus.replicas.Load()),
		})
		if err != nil {
			return nil, fmt.Errorf("open the state of outputs: %w", err)
		}
		s.kv = kv
	}
	return s.kv, nil
}

// Get returns a value, and whether there is one.
func (s *State) Get(ctx context.Context, key string) ([]byte, bool, error) {
	kv, err := s.bucket(ctx)
	if err != nil {
		return nil, false, err
	}
	e, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read state %s: %w", key, err)
	}
	return e.Value(), true, nil
}

// Put stores a value.
func (s *State) Put(ctx context.Context, key string, value []byte) error {
	kv, err := s.bucket(ctx)
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, key, value); err != nil {
		return fmt.Errorf("write state %s: %w", key, err)
	}
	return nil
}
