package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	sensorsBucket = "TOCSIN_SENSORS"
	sensorsTTL    = 7 * 24 * time.Hour // then a sensor that never came back is forgotten
)

// BeatEvery is how often a sensor says that it works.
const BeatEvery = 10 * time.Second

// Beat is a sensor's sign of life. The latest one of each sensor is kept for a week.
type Beat struct {
	Cluster string    `json:"cluster,omitempty"`
	Host    string    `json:"host"`
	Version string    `json:"version,omitempty"`
	Started time.Time `json:"started"`
	Stopped bool      `json:"stopped,omitempty"` // it has ended as it was told to
	Rules   int       `json:"rules"`
	Events  uint64    `json:"events"` // handled since the start
	Lost    uint64    `json:"lost"`   // since the start
	// At is when the server took it. Clocks of sensors do not matter.
	At time.Time `json:"at,omitzero"`
}

func (b *Bus) sensors(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := b.js.KeyValue(ctx, sensorsBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: sensorsBucket, Description: "signs of life of sensors", TTL: sensorsTTL, Storage: jetstream.FileStorage, Replicas: int(b.replicas.Load()),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open the sensors' signs of life: %w", err)
	}
	return kv, nil
}

// Beat stores a sign of life.
func (b *Bus) Beat(ctx context.Context, beat Beat) error {
	kv, err := b.sensors(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(beat)
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, Token(beat.Cluster)+"."+Token(beat.Host), body); err != nil {
		return fmt.Errorf("store sign of life: %w", err)
	}
	return nil
}

// LastBeat returns the latest sign of life of one sensor, or nil when there is none.
func (b *Bus) LastBeat(ctx context.Context, cluster, host string) (*Beat, error) {
	kv, err := b.sensors(ctx)
	if err != nil {
		return nil, err
	}
	return lastBeat(ctx, kv, Token(cluster)+"."+Token(host))
}

// lastBeat returns nil for a sign of life that is gone, or was written by another version.
func lastBeat(ctx context.Context, kv jetstream.KeyValue, key string) (*Beat, error) {
	e, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read sensor %s: %w", key, err)
	}
	beat := &Beat{}
	if json.Unmarshal(e.Value(), beat) != nil {
		return nil, nil
	}
	beat.At = e.Created()
	return beat, nil
}

// Beats returns the latest sign of life of each sensor.
func (b *Bus) Beats(ctx context.Context) ([]Beat, error) {
	kv, err := b.sensors(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := kv.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list sensors: %w", err)
	}
	var out []Beat
	for _, k := range keys {
		beat, err := lastBeat(ctx, kv, k)
		if err != nil {
			return nil, err
		}
		if beat != nil {
			out = append(out, *beat)
		}
	}
	return out, nil
}
