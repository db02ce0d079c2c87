// Package outputs defines what a destination is: the Output contract, the errors that say what to do about a message
// that was not taken, and the registry of types. Each destination is a package below this one; outputs/all imports
// them. Package deliver drives an Output from its queue.
package outputs

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

// Output is one destination, opened.
//
// Send hands over notifications, in order, at most as many as the type's Spec allows, and returns nil when the
// destination has taken all of them: for HTTP, a 2xx. Send tries once and never retries: the caller does, with the same
// notifications and so the same ids, and may have to after a success that got lost. It blocks until the destination has
// answered or ctx is done, and returns within moments of the latter; ctx carries the time-out.
//
// What the error says is what happens:
//
//	Permanent(err)        the destination will never take it: to the dead letters
//	RetryAfter(d, err)    the destination asks for a pause; nothing is sent for so long
//	Partial{…}            some of a batch were taken; the others have an error each
//	any other             temporary: tried again later
//
// Errors are shown to people and stored: they hold no secret, no token and no URL with one.
//
// Send may be called concurrently, as often as Concurrency allows. Close may be called more than once and ends what is
// under way; after it Send fails.
type Output interface {
	Send(ctx context.Context, batch []finding.Notification) error
	Close() error
}

// A Forwarder is an Output that may, as Forwards says, send a notification's JSON as it came out of the queue
// (Notification.Body). Such a notification is decoded no further than finding.DecodeHead does.
type Forwarder interface {
	Forwards() bool
}

// Settings are the settings of an output type, read from the configuration. They are a struct with tags, see
// configs/settings; Validate finds what is wrong between them.
type Settings interface {
	Validate() error
	// Open makes the output. It does not connect: a destination that is down must not keep the router from starting.
	Open(env Env) (Output, error)
}

// Env is what an output gets from the program.
type Env struct {
	Name        string       // of the output
	Log         *slog.Logger // nil discards
	State       State        // nil keeps it in memory
	Version     string       // of Tocsin
	ExternalURL string       // of the console, without a slash at its end; empty for none
	Templates   *Templates   // of the user; nil for none
}

// Defaults fills in what is missing.
func (e Env) Defaults() Env {
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	if e.State == nil {
		e.State = &memoryState{m: map[string][]byte{}}
	}
	if e.Version == "" {
		e.Version = "dev"
	}
	return e
}

// AlertURL is where people find an alert in the console, or empty.
func (e Env) AlertURL(id string) string {
	if e.ExternalURL == "" || id == "" {
		return ""
	}
	return e.ExternalURL + "/alerts/" + id
}

// View makes the view of a notification that formats and messages are made from.
func (e Env) View(n *finding.Notification) encode.View {
	v := encode.NewView(n, e.Version, e.AlertURL)
	if err := e.Templates.apply(e.Name, &v); err != nil && e.Log != nil {
		e.Log.Warn("template: the message keeps Tocsin's wording", "id", n.ID, "error", err)
	}
	return v
}

// State keeps what an output must remember over a restart, such as the thread of an alert. Keys consist of letters,
// digits, "-", "_" and "."; values are small. It is safe for concurrent use.
type State interface {
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	Put(ctx context.Context, key string, value []byte) error
}

type memoryState struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *memoryState) Get(_ context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[key]
	return v, ok, nil
}

// maxMemoryState bounds the state kept in memory; beyond it an arbitrary entry goes.
const maxMemoryState = 10_000

func (s *memoryState) Put(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.m) >= maxMemoryState {
		for k := range s.m {
			delete(s.m, k)
			break
		}
	}
	s.m[key] = value
	return nil
}

// Spec declares an output type. The reference, the JSON Schema and the checks of the configuration come from it and
// from the tags of its settings.
type Spec struct {
	Name    string // as in the configuration, "slack"
	Title   string // "Slack"
	Doc     string // a paragraph
	Example string // YAML, what stands behind "outputs:", indented by two
	// Batch is the most notifications that one Send takes, and the default of batch.max; 0 means 1.
	Batch int
	// Concurrency is the default number of Sends at a time; 0 means 4.
	Concurrency int
	New         func() Settings
}

var (
	mu       sync.RWMutex
	registry = map[string]Spec{}
)

// Register makes a type known. It is called from init and panics when the name is taken.
func Register(s Spec) {
	mu.Lock()
	defer mu.Unlock()
	if _, ok := registry[s.Name]; ok {
		panic("outputs: type registered twice: " + s.Name)
	}
	s.Batch, s.Concurrency = max(s.Batch, 1), max(s.Concurrency, 0)
	if s.Concurrency == 0 {
		s.Concurrency = 4
	}
	registry[s.Name] = s
}

// Lookup finds a type.
func Lookup(name string) (Spec, bool) {
	mu.RLock()
	defer mu.RUnlock()
	s, ok := registry[name]
	return s, ok
}

// Specs lists the types by name.
func Specs() []Spec {
	mu.RLock()
	defer mu.RUnlock()
	return slices.SortedFunc(maps.Values(registry), func(a, b Spec) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
}

// Types gives the registered types in the form that configs.Load takes.
func Types() map[string]func() any {
	out := map[string]func() any{}
	for _, s := range Specs() {
		out[s.Name] = func() any { return s.New() }
	}
	return out
}

// Open opens the output that settings describe.
func Open(settings any, env Env) (Output, error) {
	s, ok := settings.(Settings)
	if !ok {
		return nil, fmt.Errorf("open output %s: %T are no settings of an output", env.Name, settings)
	}
	out, err := s.Open(env.Defaults())
	if err != nil {
		return nil, fmt.Errorf("open output %s: %w", env.Name, err)
	}
	return out, nil
}
