// Package wasm runs rules that are shipped as WebAssembly files, in a sandbox: they see the events that they select and
// nothing else. There are no files, no network, no environment and no clock but a fixed one; memory is bounded, and so is
// the time of each evaluation.
//
// A module exports:
//
//	alloc(size u32) u32              memory for the host to write an event into
//	metadata() u64                   address<<32 | length of a JSON object: the rule's metadata (see detect.MetadataOf),
//	                                 with "selectors": [{"source", "name", "origin"}] and, optionally, "where"
//	match(address u32, length u32) u64   given an event's JSON: 0, or address<<32 | length of "true" or a JSON object
//
// "where" spares the module the events that it would refuse: {"args.pathname": ["/etc/*", "*.key"]}: every field has one of
// the values, in which a "*" may stand at the start, at the end, or both.
//
// Any language will do. In Go: //go:wasmexport, built with GOOS=wasip1 GOARCH=wasm and -buildmode=c-shared; see
// examples/wasm.
package wasm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/event"
)

// Bounds of a module.
const (
	maxPages  = 1024    // of 64 KiB: 64 MiB
	maxAnswer = 1 << 20 // bytes of what a module returns
)

// Rule is a module that decides about events. It belongs to one engine.
type Rule struct {
	file      string
	meta      *detect.Metadata
	selectors []detect.Selector
	where     *native.Node

	mu       sync.Mutex // guards the instance
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	instance api.Module
	buf      uint32 // the module's memory for events, and its size
	size     uint32
}

// Load reads a module from a file.
func Load(ctx context.Context, file string) (*Rule, error) {
	code, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load rule: %w", err)
	}
	return New(ctx, file, code)
}

// New makes a rule of a module. Close frees it.
func New(ctx context.Context, file string, code []byte) (*Rule, error) {
	r := &Rule{file: file}
	r.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages).WithCloseOnContextDone(true))
	if err := r.load(ctx, code); err != nil {
		_ = r.runtime.Close(ctx) // the first error tells more
		return nil, fmt.Errorf("load rule %s: %w", file, err)
	}
	return r, nil
}

// Close frees the module.
func (r *Rule) Close(ctx context.Context) error { return r.runtime.Close(ctx) }

func (r *Rule) load(ctx context.Context, code []byte) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r.runtime); err != nil {
		return err
	}
	var err error
	if r.compiled, err = r.runtime.CompileModule(ctx, code); err != nil {
		return err
	}
	exports := r.compiled.ExportedFunctions()
	for _, name := range []string{"alloc", "metadata", "match"} {
		if exports[name] == nil {
			return fmt.Errorf("the module does not export %s: see the documentation of package wasm", name)
		}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	doc, err := r.call(ctx, "metadata")
	if err != nil {
		return err
	}
	return r.readMetadata(doc)
}

// start makes a fresh instance.
func (r *Rule) start(ctx context.Context) error {
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")
	m, err := r.runtime.InstantiateModule(ctx, r.compiled, cfg)
	if err != nil {
		return err
	}
	r.instance, r.buf, r.size = m, 0, 0
	return nil
}

func (r *Rule) readMetadata(raw []byte) error {
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	var more struct {
		Selectors []detect.Selector   `json:"selectors"`
		Where     map[string][]string `json:"where"`
	}
	if err := json.Unmarshal(raw, &more); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if len(more.Selectors) == 0 {
		return errors.New("metadata: no selectors: the rule would never see an event")
	}
	var err error
	if r.meta, err = detect.MetadataOf(doc); err != nil {
		return err
	}
	r.meta.File, r.selectors, r.where = r.file, more.Selectors, where(more.Where)
	return nil
}

// where makes a native condition.
func where(fields map[string][]string) *native.Node {
	var all []*native.Node
	for field, values := range fields {
		t := native.Term{}
		if arg, ok := strings.CutPrefix(field, "args."); ok {
			t.Arg = arg
		} else {
			t.Path = strings.Split(field, ".")
		}
		var any []*native.Node
		for _, v := range values {
			n := &native.Node{Op: native.Equal, Term: t}
			text, suffix := strings.CutPrefix(v, "*")
			text, prefix := strings.CutSuffix(text, "*")
			switch {
			case suffix && prefix:
				n.Op = native.Contains
			case suffix:
				n.Op = native.Suffix
			case prefix:
				n.Op = native.Prefix
			}
			n.Strs = []string{text}
			any = append(any, n)
		}
		all = append(all, native.AnyOf(any...))
	}
	return native.AllOf(all...)
}

// Metadata is the module's metadata.
func (r *Rule) Metadata() *detect.Metadata { return r.meta }

// Selectors are the events that the module wants.
func (r *Rule) Selectors() []detect.Selector { return r.selectors }

// Condition is what an event must satisfy to be given to the module.
func (r *Rule) Condition() *native.Node { return r.where }

// Match gives the event to the module. After an error, a time-out too, the module starts afresh.
func (r *Rule) Match(ctx context.Context, ev *event.Event) (*detect.Match, error) {
	if d, ok := ctx.Deadline(); ok { // the engine's context knows its end but does not signal it
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(context.Background(), d)
		defer stop()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.instance == nil {
		if err := r.start(ctx); err != nil {
			return nil, fmt.Errorf("restart module: %w", err)
		}
	}
	out, err := r.match(ctx, ev.AppendJSON(nil))
	if err != nil {
		_ = r.instance.Close(context.Background()) // what it was doing is lost anyway
		r.instance = nil
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	switch {
	case len(out) == 0 || string(out) == "false" || string(out) == "null":
		return nil, nil
	case string(out) == "true":
		return &detect.Match{}, nil
	case !json.Valid(out) || out[0] != '{':
		return nil, fmt.Errorf("the module answered %.40q: neither true nor a JSON object", out)
	}
	return &detect.Match{Data: out}, nil
}

func (r *Rule) match(ctx context.Context, doc []byte) ([]byte, error) {
	n := uint32(len(doc))
	if n > r.size {
		res, err := r.instance.ExportedFunction("alloc").Call(ctx, uint64(2*n))
		if err != nil {
			return nil, err
		}
		r.buf, r.size = uint32(res[0]), 2*n
	}
	if !r.instance.Memory().Write(r.buf, doc) {
		return nil, errors.New("the module gave memory that it does not have")
	}
	return r.call(ctx, "match", uint64(r.buf), uint64(n))
}

// call calls a function that returns address<<32 | length, and copies what is there.
func (r *Rule) call(ctx context.Context, name string, args ...uint64) ([]byte, error) {
	res, err := r.instance.ExportedFunction(name).Call(ctx, args...)
	if err != nil {
		return nil, err
	}
	if len(res) != 1 {
		return nil, fmt.Errorf("%s returns %d values, not one", name, len(res))
	}
	at, n := uint32(res[0]>>32), uint32(res[0])
	if n > maxAnswer {
		return nil, fmt.Errorf("%s returned %d bytes, %d is the most", name, n, maxAnswer)
	}
	out, ok := r.instance.Memory().Read(at, n)
	if !ok {
		return nil, fmt.Errorf("%s returned an address outside its memory", name)
	}
	return bytes.Clone(out), nil
}
