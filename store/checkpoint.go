package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"
)

// A checkpointer moves what SQLite has written to its log into the database, beside the writer. Left to itself SQLite does that
// in the commit that fills the log, which then takes tenths of a second: a finding in it, and all behind it, would wait.
type checkpointer struct {
	store   *Store
	db      *sql.DB
	commits atomic.Int64 // since the last checkpoint
	stop    context.CancelFunc
	done    chan struct{}
}

const (
	checkpointEvery = time.Second
	// maxLog is the length of the log, in pages of 4 KiB, from which on it is begun anew. Only then the writer waits, for what
	// has come since a checkpoint a moment ago.
	maxLog = 4096
)

func newCheckpointer(s *Store) (*checkpointer, error) {
	db, err := sql.Open("sqlite", s.dsn)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{store: s, db: db, stop: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c, nil
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.commits.Swap(0) == 0 {
			continue
		}
		// What goes wrong here (a full disk) goes wrong in a transaction as well, where it is told of.
		if log, err := c.checkpoint(ctx, "PASSIVE"); err == nil && log > maxLog {
			c.store.writing.Lock()
			_, _ = c.checkpoint(ctx, "RESTART")
			c.store.writing.Unlock()
		}
	}
}

// checkpoint returns how long the log was.
func (c *checkpointer) checkpoint(ctx context.Context, mode string) (log int, err error) {
	var busy, moved int
	err = c.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &log, &moved)
	return log, err
}

func (c *checkpointer) close() {
	c.stop()
	<-c.done
	c.db.Close()
}
