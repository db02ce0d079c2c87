package routing

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
)

// Compile makes the routing table of a configuration. The error is configs.Errors: all that is wrong, each with its place
// in the file.
func Compile(cfg *configs.Config) (*router.Table, error) {
	in := router.Config{
		Defaults: group(cfg.Defaults.Group),
		Outputs:  map[string]router.Output{},
		Times:    map[string]router.Times{},
		Silences: router.SilenceLimits{Max: cfg.Silences.Max, RequireComment: cfg.Silences.RequireComment, MinFields: cfg.Silences.MinFields},
	}
	for name, o := range cfg.Outputs {
		out := router.Output{Rate: router.Rate{Limit: o.Rate.Limit, Per: o.Rate.Per}}
		if o.Rate.Overflow == "wait" { // the output paces itself: nothing is summed up
			out.Rate = router.Rate{}
		}
		in.Outputs[name] = out
	}
	for name, t := range cfg.Times {
		in.Times[name] = router.Times{Days: strings.Join(t.Days, ","), Hours: strings.Join(t.Hours, ","), TZ: t.TZ, Not: t.Not}
	}
	for _, r := range cfg.Routes {
		g := group(r.Group)
		out := router.Route{
			Name: r.Name, Match: matcher(r.Match), Outputs: r.Outputs, Group: &g,
			Never: r.Suppress == "never", Continue: r.Continue, Remind: r.Remind, During: r.During,
		}
		in.Routes = append(in.Routes, out)
	}
	for _, h := range cfg.Inhibit {
		in.Inhibit = append(in.Inhibit, router.Inhibit{Name: h.Name, By: matcher(h.By), Mute: matcher(h.Mute), Equal: h.Equal, Within: h.Within})
	}
	table, err := router.Compile(in)
	if err != nil {
		return nil, allErrors(cfg, in, err)
	}
	return table, nil
}

// allErrors finds everything that is wrong by compiling each part of the table alone: the router stops at the first error.
func allErrors(cfg *configs.Config, in router.Config, first error) configs.Errors {
	var all configs.Errors
	try := func(c router.Config, list string, index int) bool {
		_, err := router.Compile(c)
		if err == nil {
			return true
		}
		var e *router.Error
		if list != "" && errors.As(err, &e) && len(e.At) > 1 && e.At[0] == list {
			at := slices.Clone(e.At)
			at[1] = strconv.Itoa(index)
			err = &router.Error{At: at, Msg: e.Msg}
		}
		all = append(all, placed(cfg, err))
		return false
	}
	base := router.Config{Outputs: in.Outputs, Times: map[string]router.Times{}, Silences: in.Silences}
	if try(router.Config{Defaults: in.Defaults, Outputs: in.Outputs, Silences: in.Silences}, "", 0) {
		base.Defaults = in.Defaults
	}
	for _, name := range slices.Sorted(maps.Keys(in.Times)) {
		if t := map[string]router.Times{name: in.Times[name]}; try(router.Config{Times: t}, "", 0) {
			base.Times[name] = in.Times[name]
		} else {
			base.Times[name] = router.Times{} // it is there for the routes that name it
		}
	}
	for i, r := range in.Routes {
		c := base
		if base.Defaults.By == nil && slices.Equal(r.Group.By, in.Defaults.By) { // what is wrong with the defaults is said once
			r.Group = &router.Group{None: r.Group.None, Wait: r.Group.Wait, Window: r.Group.Window}
		}
		c.Routes = []router.Route{r}
		try(c, "routes", i)
	}
	for i, h := range in.Inhibit {
		c := base
		c.Inhibit = []router.Inhibit{h}
		try(c, "inhibit", i)
	}
	if len(all) == 0 { // it lies between the parts: two routes of one name
		all = append(all, placed(cfg, first))
	}
	return all
}

// Warnings are what is likely not meant, each with its place in the file: values of matchers that may never match, routes that are
// never reached, outputs that no route names. What is wrong with a matcher is Compile's to say.
func Warnings(cfg *configs.Config) []*configs.Error {
	var out []*configs.Error
	add := func(doc map[string]any, path ...string) {
		m, err := match.Parse(matcher(doc))
		if err != nil {
			return
		}
		for _, doubt := range m.Doubts() {
			out = append(out, placed(cfg, &router.Error{At: append(path, doubt.Path()...), Msg: doubt.Msg}))
		}
	}
	for i, r := range cfg.Routes {
		add(r.Match, "routes", strconv.Itoa(i), "match")
	}
	for i, h := range cfg.Inhibit {
		add(h.By, "inhibit", strconv.Itoa(i), "by")
		add(h.Mute, "inhibit", strconv.Itoa(i), "mute")
	}
	all, named := "", map[string]bool{}
	for i, r := range cfg.Routes {
		if all != "" {
			out = append(out, placed(cfg, &router.Error{At: []string{"routes", strconv.Itoa(i)}, Msg: fmt.Sprintf(
				"never reached: route %q before it takes every finding; write continue: true there, or move it to the end", all)}))
		} else if len(r.Match) == 0 && !r.Continue {
			all = r.Name
		}
		for _, o := range r.Outputs {
			named[o] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Outputs)) {
		if !named[name] {
			out = append(out, placed(cfg, &router.Error{At: []string{"outputs", name}, Msg: "no route sends anything here: name it in the outputs of one"}))
		}
	}
	return out
}

// placed returns err with its place in the file.
func placed(cfg *configs.Config, err error) *configs.Error {
	var e *configs.Error
	if at := (*router.Error)(nil); errors.As(err, &at) {
		err = cfg.Place(at.At, errors.New(at.Msg)) // its text would say the place once more
	}
	if errors.As(err, &e) || errors.As(cfg.Place(nil, err), &e) {
		return e
	}
	return &configs.Error{Msg: err.Error()}
}

// matcher keeps an absent matcher nil: it matches everything.
func matcher(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

func group(g configs.Group) router.Group {
	if g.None {
		return router.Group{None: true}
	}
	return router.Group{By: g.By, Wait: &g.Wait, Window: &g.Window}
}
