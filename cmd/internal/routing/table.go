package routing

import (
	"strings"

	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/router"
)

// Compile makes the routing table of a configuration. An error names the place in the file.
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
		return nil, cfg.Place(nil, err)
	}
	return table, nil
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
