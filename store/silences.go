package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
)

// silenceBody is how a silence is kept.
type silenceBody struct {
	ID      string         `json:"id"`
	Match   map[string]any `json:"match"`
	Start   time.Time      `json:"start"`
	End     time.Time      `json:"end"`
	Author  string         `json:"author"`
	Comment string         `json:"comment,omitempty"`
	Created time.Time      `json:"created"`
}

func scanSilence(r *sql.Rows) (router.Silence, error) {
	var raw []byte
	if err := r.Scan(&raw); err != nil {
		return router.Silence{}, err
	}
	var b silenceBody
	if err := json.Unmarshal(raw, &b); err != nil {
		return router.Silence{}, err
	}
	m, err := match.Parse(b.Match)
	return router.Silence{ID: b.ID, Match: m, Start: b.Start, End: b.End, Author: b.Author, Comment: b.Comment, Created: b.Created}, err
}

// Silences returns those that have not ended at now.
func (t *Tx) Silences(ctx context.Context, now time.Time) ([]router.Silence, error) {
	var out []router.Silence
	err := t.query(ctx, "SELECT body FROM silences WHERE ends > ? ORDER BY id", []any{nanos(now)}, func(r *sql.Rows) error {
		s, err := scanSilence(r)
		out = append(out, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	return out, nil
}

// Silences returns those that have not ended at since, the latest to end first, at most limit.
func (s *Store) Silences(ctx context.Context, since time.Time, limit int) ([]router.Silence, error) {
	out := []router.Silence{}
	err := s.query(ctx, "SELECT body FROM silences WHERE ends > ? ORDER BY ends DESC, id LIMIT ?", []any{nanos(since), limit}, func(r *sql.Rows) error {
		x, err := scanSilence(r)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	return out, nil
}

// Silence returns one, or ErrNotFound.
func (s *Store) Silence(ctx context.Context, id string) (*router.Silence, error) {
	var out *router.Silence
	err := s.query(ctx, "SELECT body FROM silences WHERE id = ?", []any{id}, func(r *sql.Rows) error {
		x, err := scanSilence(r)
		out = &x
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read silence: %w", err)
	}
	if out == nil {
		return nil, fmt.Errorf("silence %s: %w", id, ErrNotFound)
	}
	return out, nil
}

// SaveSilence adds a silence, or changes the one with its id.
func (t *Tx) SaveSilence(ctx context.Context, x *router.Silence) error {
	body, err := json.Marshal(silenceBody{x.ID, x.Match.Document(), x.Start, x.End, x.Author, x.Comment, x.Created})
	if err == nil {
		_, err = t.exec(ctx, `INSERT INTO silences (id, starts, ends, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET starts = excluded.starts, ends = excluded.ends, body = excluded.body`, x.ID, nanos(x.Start), nanos(x.End), string(body))
	}
	if err != nil {
		return fmt.Errorf("save silence: %w", err)
	}
	return nil
}
