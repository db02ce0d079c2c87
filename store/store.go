// Package store keeps alerts, findings, deliveries, silences, the router's memory and the audit: in SQLite by default, in
// PostgreSQL to share it between routers. Everything is identified by ids that do not change when work is repeated, so
// that a replay is harmless.
//
// A Store is safe for concurrent use. Writes go one after the other on SQLite; work that belongs together is one
// transaction, and a transaction costs one fsync.
package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the driver
)

// ErrNotFound says that there is nothing with that id.
var ErrNotFound = errors.New("not found")

// ErrConflict says that something changed meanwhile.
var ErrConflict = errors.New("it has been changed meanwhile")

//go:embed migrations
var migrations embed.FS

// Options say where the data is: SQLite a file, or Postgres a data source name.
type Options struct {
	SQLite   string
	Postgres string
	// NoSync lets SQLite skip the fsync of each transaction: a crash of the machine then loses the last ones.
	NoSync bool
}

// Store is an open database.
type Store struct {
	write, read *sql.DB
	dsn         string // of SQLite
	d           dialect

	// SQLite's one writer: a connection that keeps its statements.
	writing sync.Mutex
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	wal     *checkpointer

	mu       sync.Mutex
	watchers map[chan struct{}]bool
	asked    chan struct{}
}

// dialect is where SQLite and PostgreSQL differ.
type dialect struct {
	name     goose.Dialect
	numbered bool // $1 instead of ?
	lock     string
}

var (
	dialectSQLite   = dialect{name: database.DialectSQLite3}
	dialectPostgres = dialect{name: database.DialectPostgres, numbered: true, lock: " FOR UPDATE"}
)

// Open opens the database and brings its tables up to date.
func Open(ctx context.Context, opts Options) (*Store, error) {
	s := &Store{watchers: map[chan struct{}]bool{}, asked: make(chan struct{}, 1)}
	var err error
	if opts.Postgres != "" {
		err = s.openPostgres(opts.Postgres)
	} else {
		err = s.openSQLite(opts)
	}
	if err != nil {
		return nil, err
	}
	dir, err := fs.Sub(migrations, "migrations/"+map[goose.Dialect]string{dialectSQLite.name: "sqlite", dialectPostgres.name: "postgres"}[s.d.name])
	if err != nil {
		return nil, err
	}
	var migrate []goose.ProviderOption
	if s.d.name == dialectPostgres.name { // routers that start together would each make the tables
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, err
		}
		migrate = append(migrate, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(s.d.name, s.write, dir, migrate...)
	if err == nil {
		_, err = p.Up(ctx)
	}
	if err == nil && s.d.name == dialectSQLite.name {
		s.stmts = map[string]*sql.Stmt{}
		if s.conn, err = s.write.Conn(ctx); err == nil {
			s.wal, err = newCheckpointer(s)
		}
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("bring the tables of the store up to date: %w", err)
	}
	return s, nil
}

func (s *Store) openSQLite(opts Options) error {
	if opts.SQLite == "" {
		return errors.New("open store: neither a SQLite file nor a PostgreSQL server is configured")
	}
	if err := os.MkdirAll(filepath.Dir(opts.SQLite), 0o700); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	// The file holds what attackers do and what people think of it: nobody else reads it.
	f, err := os.OpenFile(opts.SQLite, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	f.Close()
	q := url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(10000)", "synchronous(FULL)", "cache_size(-16000)", "temp_store(MEMORY)", "journal_size_limit(67108864)", "wal_autocheckpoint(0)"}}
	if opts.NoSync {
		q["_pragma"][2] = "synchronous(NORMAL)"
	}
	file := "file:" + (&url.URL{Path: opts.SQLite}).EscapedPath() + "?"
	dsn := file + q.Encode()
	if s.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open store %s: %w", opts.SQLite, err)
	}
	s.write.SetMaxOpenConns(1)
	if err := s.write.Ping(); err != nil {
		return fmt.Errorf("open store %s: %w", opts.SQLite, err)
	}
	// Each connection has a cache of its own, outside Go's memory limit; what readers lack, the kernel's has.
	q["_pragma"][3] = "cache_size(-2000)"
	dsn = file + q.Encode()
	if s.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("open store %s: %w", opts.SQLite, err)
	}
	s.read.SetMaxOpenConns(4)
	s.dsn = dsn
	s.d = dialectSQLite
	return nil
}

func (s *Store) openPostgres(dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errors.New("open store: the PostgreSQL data source name can't be read (it is not shown: it may hold a password)")
	}
	s.write = stdlib.OpenDB(*cfg)
	s.write.SetMaxOpenConns(8)
	s.write.SetConnMaxIdleTime(time.Minute)
	s.read, s.d = s.write, dialectPostgres
	if err := s.write.Ping(); err != nil {
		s.write.Close()
		return fmt.Errorf("open store on PostgreSQL %s:%d: %w", cfg.Host, cfg.Port, err)
	}
	return nil
}

// Close closes the database.
func (s *Store) Close() error {
	if s.wal != nil {
		s.wal.close()
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, st := range s.stmts {
		st.Close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	err := s.write.Close()
	if s.read != s.write && s.read != nil {
		err = errors.Join(err, s.read.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.read.PingContext(ctx) }

// rebind writes placeholders as the database wants them.
func (d dialect) rebind(q string) string {
	if !d.numbered {
		return q
	}
	var b strings.Builder
	n := 0
	for _, r := range q {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// in is a condition on a list, with one placeholder, and list its argument.
func (d dialect) in(column string) string {
	if d.numbered {
		return column + " = ANY(?)"
	}
	return column + " IN (SELECT value FROM json_each(?))"
}

func (d dialect) list(values []string) any {
	if values == nil {
		values = []string{}
	}
	if d.numbered {
		return values
	}
	b, _ := json.Marshal(values)
	return string(b)
}

// Tx is one transaction of writes. It belongs to one goroutine.
type Tx struct {
	db interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	d     dialect
	stmts map[string]*sql.Stmt
	woke  bool // an alert has changed
	asks  bool // a person wants something that the router does
}

// Work runs f in one transaction. On PostgreSQL a transaction that met another one is run again, so f must start anew
// each time.
func (s *Store) Work(ctx context.Context, f func(*Tx) error) error {
	for try := 0; ; try++ {
		t, err := s.work(ctx, f)
		if err == nil {
			if t.woke {
				s.wake()
			}
			if t.asks {
				select {
				case s.asked <- struct{}{}:
				default:
				}
			}
			return nil
		}
		if try >= 5 || !isSerialization(err) {
			return err
		}
		time.Sleep(time.Duration(try+1) * 5 * time.Millisecond)
	}
}

func (s *Store) work(ctx context.Context, f func(*Tx) error) (*Tx, error) {
	if s.conn != nil {
		return s.workSQLite(ctx, f)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	t := &Tx{db: tx, d: s.d, stmts: map[string]*sql.Stmt{}}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(t); err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return t, nil
}

// workSQLite begins and ends the transaction itself, so that statements are prepared once and not once a transaction.
func (s *Store) workSQLite(ctx context.Context, f func(*Tx) error) (*Tx, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	do := func(q string) error {
		_, err := s.conn.ExecContext(context.WithoutCancel(ctx), q)
		return err
	}
	err := ctx.Err()
	if err != nil {
		return nil, err
	}
	if err := do("BEGIN IMMEDIATE"); err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	t := &Tx{db: s.conn, d: s.d, stmts: s.stmts}
	if err = f(t); err == nil {
		if err = do("COMMIT"); err == nil {
			if s.wal != nil {
				s.wal.commits.Add(1)
			}
			return t, nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	_ = do("ROLLBACK") // a full disk has done that already, and then this is an error that says nothing
	return nil, err
}

func isSerialization(err error) bool {
	var e interface{ SQLState() string }
	return errors.As(err, &e) && (e.SQLState() == "40001" || e.SQLState() == "40P01" || e.SQLState() == "23505")
}

func (t *Tx) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if st := t.stmts[q]; st != nil {
		return st, nil
	}
	st, err := t.db.PrepareContext(ctx, t.d.rebind(q))
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	t.stmts[q] = st
	return st, nil
}

func (t *Tx) exec(ctx context.Context, q string, args ...any) (int64, error) {
	st, err := t.stmt(ctx, q)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *Tx) query(ctx context.Context, q string, args []any, scan func(*sql.Rows) error) error {
	st, err := t.stmt(ctx, q)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	return each(rows, err, scan)
}

func (s *Store) query(ctx context.Context, q string, args []any, scan func(*sql.Rows) error) error {
	rows, err := s.read.QueryContext(ctx, s.d.rebind(q), args...)
	return each(rows, err, scan)
}

func each(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Watch returns a channel that gets a value after alerts have changed in this process. Stop ends it.
func (s *Store) Watch() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[c] = true
	s.mu.Unlock()
	return c, func() {
		s.mu.Lock()
		delete(s.watchers, c)
		s.mu.Unlock()
	}
}

// Asked gets a value after a person has asked, in this process, for something that the router does: a closed alert is to
// be told of, a dead letter to be queued again.
func (s *Store) Asked() <-chan struct{} { return s.asked }

func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
