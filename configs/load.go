package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// What an output starts from.
const defaultTimeout = 15 * time.Second

var defaultRate = Rate{Per: time.Minute, Overflow: "digest"}

// MaxFile bounds the size of a configuration file, in bytes.
const MaxFile = 4 << 20

// Load reads a file. An empty path gives the defaults. types are the types of outputs; with nil, as in the sensor, the
// settings of outputs are not looked at. The error is Errors when the file was read but is wrong; beside them stands the
// configuration as far as it could be read, which is only fit for finding further errors in it. It is nil when the file
// is no YAML, or cannot be read.
func Load(path string, types Types) (*Config, error) {
	if path == "" {
		return Parse("", nil, types)
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read configuration: %s does not exist", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if st.IsDir() || st.Size() > MaxFile {
		return nil, fmt.Errorf("read configuration: %s is not a file of at most %d bytes", path, MaxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, text, types)
}

// Parse reads the text of a file. name is for messages, and its folder is where relative paths start.
func Parse(name string, text []byte, types Types) (*Config, error) {
	c := Default()
	c.src = &source{file: name, dir: filepath.Dir(name), lines: strings.Split(string(text), "\n"), places: map[string]place{}}
	if name == "" {
		c.src.file, c.src.dir = "configuration", "."
	}
	root, err := parseYAML(c.src, text)
	if err != nil {
		return nil, err
	}
	d := &decoder{src: c.src, types: types, anchors: map[string]ast.Node{}}
	d.collectAnchors(root)
	if root != nil {
		d.defaults(root, c)
		d.prefill = map[reflect.Type]func(reflect.Value){
			reflect.TypeFor[Route](): func(v reflect.Value) {
				v.Set(reflect.ValueOf(Route{Group: c.Defaults.Group.clone(), Suppress: "allow"}))
			},
			reflect.TypeFor[Output](): func(v reflect.Value) {
				v.Set(reflect.ValueOf(Output{Retry: c.Defaults.Retry.clone(), Timeout: defaultTimeout, Rate: defaultRate}))
			},
		}
		d.decode(root, reflect.ValueOf(c).Elem(), nil)
	}
	c.Warnings = d.warns
	c.fill()
	d.errs = append(d.errs, slices.DeleteFunc(c.check(), d.follows)...)
	if len(d.errs) > 0 {
		slices.SortStableFunc(d.errs, func(a, b *Error) int { return a.Line - b.Line })
		return c, d.errs
	}
	return c, nil
}

// follows reports whether an error may come only from a value that could not be read.
func (d *decoder) follows(e *Error) bool {
	return slices.ContainsFunc(d.errs, func(first *Error) bool {
		return e.Path == first.Path || strings.HasPrefix(e.Path+".", first.Path+".") || strings.HasPrefix(first.Path, e.Path+".")
	})
}

func parseYAML(src *source, text []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) {
			var p place
			if tk := ye.GetToken(); tk != nil && tk.Position != nil {
				p = place{tk.Position.Line, tk.Position.Column}
			}
			return nil, Errors{src.at(p, nil, "%s", ye.GetMessage())}
		}
		return nil, Errors{src.at(place{}, nil, "%v", err)}
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			return nil, Errors{src.at(placeOf(doc.Body), nil, "only one document in a file")}
		}
		root = doc.Body
	}
	return root, nil
}

// collectAnchors makes anchors known before they are passed, because defaults are read ahead of the rest.
func (d *decoder) collectAnchors(root ast.Node) {
	if root == nil {
		return
	}
	ast.Walk(visitor(func(n ast.Node) {
		if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil && a.Name.GetToken() != nil {
			d.anchors[a.Name.GetToken().Value] = a.Value
		}
	}), root)
}

type visitor func(ast.Node)

func (v visitor) Visit(n ast.Node) ast.Visitor {
	v(n)
	return v
}

// defaults reads defaults first: routes and outputs start from them. Its errors are found again in the main pass.
func (d *decoder) defaults(root ast.Node, c *Config) {
	ahead := *d
	ahead.src = &source{file: d.src.file, dir: d.src.dir, lines: d.src.lines, places: map[string]place{}}
	ps, _ := ahead.pairs(root, nil)
	for _, p := range ps {
		if p.name == "defaults" {
			ahead.decode(p.val, reflect.ValueOf(&c.Defaults).Elem(), []string{"defaults"})
		}
	}
}

// UnmarshalText reads the word "none"; a group is a map otherwise.
func (g *Group) UnmarshalText(text []byte) error {
	if string(text) != "none" {
		return fmt.Errorf("%q is no group: write none, or a map with by, wait and window", text)
	}
	*g = Group{None: true}
	return nil
}

func (g Group) clone() Group {
	g.By = slices.Clone(g.By)
	return g
}

func (r Retry) clone() Retry {
	r.Backoff = slices.Clone(r.Backoff)
	return r
}

// fill derives what is not set from what is.
func (c *Config) fill() {
	if c.Host == "" {
		c.Host, _ = os.Hostname()
	}
	under := func(p *string, name string) {
		if *p == "" {
			*p = filepath.Join(c.DataDir, name)
		}
	}
	under(&c.Sensor.Spool.Dir, "spool")
	if c.Sensor.Kubernetes.Node == "" {
		c.Sensor.Kubernetes.Node = c.Host
	}
	if c.NATS.Embedded == nil && c.NATS.URL.IsZero() {
		c.NATS.Embedded = &Embedded{}
	}
	if e := c.NATS.Embedded; e != nil {
		under(&e.Dir, "nats")
		if e.Sync == "" {
			e.Sync = "always"
		}
	}
	if c.Store.SQLite == nil && c.Store.Postgres == nil {
		c.Store.SQLite = &SQLite{}
	}
	if s := c.Store.SQLite; s != nil {
		under(&s.Path, "alerts.db")
	}
	for i, t := range c.Templates {
		if !filepath.IsAbs(t) {
			c.Templates[i] = filepath.Join(c.src.dir, t)
		}
	}
	if len(c.Routes) == 0 && len(c.Outputs) > 0 {
		c.Routes = []Route{{Name: "all", Outputs: slices.Sorted(maps.Keys(c.Outputs)), Group: c.Defaults.Group.clone(), Suppress: "allow"}}
	}
}

// SetDataDir moves everything that was not set by itself to another data directory.
func (c *Config) SetDataDir(dir string) {
	for _, p := range []struct {
		at   *string
		name string
	}{{&c.Sensor.Spool.Dir, "spool"}, {c.embeddedDir(), "nats"}, {c.sqlitePath(), "alerts.db"}} {
		if p.at != nil && *p.at == filepath.Join(c.DataDir, p.name) {
			*p.at = filepath.Join(dir, p.name)
		}
	}
	c.DataDir = dir
}

func (c *Config) embeddedDir() *string {
	if c.NATS.Embedded == nil {
		return nil
	}
	return &c.NATS.Embedded.Dir
}

func (c *Config) sqlitePath() *string {
	if c.Store.SQLite == nil {
		return nil
	}
	return &c.Store.SQLite.Path
}

// checker collects errors about values that have the right type.
type checker struct {
	c    *Config
	errs Errors
}

func (k *checker) failf(hint, path, format string, a ...any) {
	p := strings.Split(path, "/")
	e := k.c.src.at(k.c.src.place(p), p, format, a...)
	e.Hint = hint
	k.errs = append(k.errs, e)
}

// check finds what is wrong between keys.
func (c *Config) check() Errors {
	k := &checker{c: c}
	if c.Version != 1 {
		k.failf("this program reads version 1", "version", "unknown version %d", c.Version)
	}
	k.listen("server/listen", c.Server.Listen)
	k.listen("server/metrics", c.Server.Metrics)
	k.listen("sensor/listen", c.Sensor.Listen)
	if s := c.Sensor.RingBuffer; s < 64<<10 || s > 1<<30 || s&(s-1) != 0 {
		k.failf("write 8MiB, 16MiB, …", "sensor/ring_buffer", "%s is not a power of two between 64KiB and 1GiB", s)
	}
	if u := c.Server.ExternalURL; u != "" {
		if p, err := url.Parse(u); err != nil || p.Host == "" || (p.Scheme != "http" && p.Scheme != "https") {
			k.failf("write https://host/path", "server/external_url", "%q is no address of a web page", u)
		}
	}
	k.nats()
	if c.Store.SQLite != nil && c.Store.Postgres != nil {
		k.failf("", "store", "sqlite and postgres exclude each other")
	}
	if c.Store.Retain < time.Hour {
		k.failf("", "store/retain", "must be an hour or more")
	}
	k.retry("defaults/retry", c.Defaults.Retry)
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		k.output(name, c.Outputs[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Times)) {
		if _, err := time.LoadLocation(c.Times[name].TZ); err != nil {
			k.failf("write a name such as Europe/Berlin", "times/"+name+"/tz", "unknown time zone %q", c.Times[name].TZ)
		}
	}
	k.routes()
	if c.Silences.MinFields < 0 {
		k.failf("", "silences/min_fields", "must not be negative")
	}
	return k.errs
}

func (k *checker) listen(path, addr string) {
	if addr == "" || addr == "off" {
		return
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		k.failf("write 127.0.0.1:8700", path, "%q is no address with a port", addr)
	}
}

func (k *checker) nats() {
	n := k.c.NATS
	if n.Embedded != nil && !n.URL.IsZero() {
		k.failf("keep one of them", "nats", "embedded and url exclude each other")
	}
	if n.Replicas < 1 || n.Replicas > 5 {
		k.failf("", "nats/replicas", "must be 1 to 5")
	}
	if e := n.Embedded; e != nil {
		k.listen("nats/embedded/listen", e.Listen)
		if e.Sync != "always" {
			if d, err := settings.ParseDuration(e.Sync); err != nil || d <= 0 {
				k.failf("write always, or an interval such as 1s", "nats/embedded/sync", "unknown value %q", e.Sync)
			}
		}
		if host, _, err := net.SplitHostPort(e.Listen); err == nil && e.Token.IsZero() && !isLoopback(host) {
			k.failf("set nats.embedded.token", "nats/embedded/listen", "a listener that is not loopback needs a token")
		}
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (k *checker) retry(path string, r Retry) {
	if len(r.Backoff) == 0 {
		k.failf("write [1s, 5s, 30s]", path+"/backoff", "needs at least one pause")
	}
	for _, d := range r.Backoff {
		if d <= 0 {
			k.failf("", path+"/backoff", "a pause must be more than zero")
		}
	}
	if r.GiveUp <= 0 {
		k.failf("", path+"/give_up", "must be more than zero")
	}
}

func (k *checker) output(name string, o Output) {
	path := "outputs/" + name
	if strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) || name == "" {
		k.failf("a queue on the bus bears it", path, "a name consists of letters, digits, - and _")
	}
	k.retry(path+"/retry", o.Retry)
	if o.Batch.Max < 0 {
		k.failf("", path+"/batch/max", "must not be negative")
	}
	if o.Concurrency < 0 || o.Concurrency > 256 {
		k.failf("", path+"/concurrency", "must be 1 to 256")
	}
	if o.Timeout <= 0 || o.Timeout > 5*time.Minute {
		k.failf("", path+"/timeout", "must be more than zero and at most 5m")
	}
	if o.Rate.Limit < 0 || o.Rate.Limit > 0 && o.Rate.Per <= 0 {
		k.failf("write {limit: 20, per: 1m}", path+"/rate", "needs a positive limit and period")
	}
}

func (k *checker) routes() {
	seen := map[string]bool{}
	for i, r := range k.c.Routes {
		path := fmt.Sprintf("routes/%d", i)
		if seen[r.Name] {
			k.failf("", path+"/name", "a second route is called %q", r.Name)
		}
		seen[r.Name] = true
		for j, o := range r.Outputs {
			if _, ok := k.c.Outputs[o]; !ok {
				k.failf(suggest(o, slices.Sorted(maps.Keys(k.c.Outputs))), fmt.Sprintf("%s/outputs/%d", path, j), "unknown output %q", o)
			}
		}
		for j, t := range r.During {
			if _, ok := k.c.Times[strings.TrimPrefix(t, "!")]; !ok {
				k.failf(suggest(t, slices.Sorted(maps.Keys(k.c.Times))), fmt.Sprintf("%s/during/%d", path, j), "unknown times %q", t)
			}
		}
	}
	for i, in := range k.c.Inhibit {
		path := fmt.Sprintf("inhibit/%d", i)
		if in.Within <= 0 {
			k.failf("suppression is bounded: write within: 5m", path, "within is missing")
		}
		if len(in.Equal) == 0 {
			k.failf("write equal: [host, container]", path, "equal is missing")
		}
	}
}
