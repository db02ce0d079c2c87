package router

import (
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

// Silence holds back notifications of what it matches, for a bounded time.
type Silence struct {
	ID      string
	Match   match.Matcher
	Start   time.Time
	End     time.Time
	Author  string
	Comment string
	Created time.Time
}

// Active reports whether s holds at now.
func (s *Silence) Active(now time.Time) bool { return !now.Before(s.Start) && now.Before(s.End) }

// SilenceLimits bound what a person may silence. Zero values take the defaults: at most 30 days, 2 fields.
type SilenceLimits struct {
	Max            time.Duration
	RequireComment bool
	MinFields      int
}

// CheckSilence says why a silence is not allowed, or nil.
func (t *Table) CheckSilence(s *Silence) error {
	limit, fields := t.limits.Max, t.limits.MinFields
	if limit == 0 {
		limit = 30 * 24 * time.Hour
	}
	if fields == 0 {
		fields = 2
	}
	switch {
	case s.Author == "":
		return fmt.Errorf("a silence needs an author")
	case !s.End.After(s.Start):
		return fmt.Errorf("a silence must end after it starts")
	case s.End.Sub(s.Start) > limit:
		return fmt.Errorf("a silence lasts at most %s here", settings.FormatDuration(limit))
	case t.limits.RequireComment && s.Comment == "":
		return fmt.Errorf("a silence needs a comment here: say why")
	case s.Match.Fields() < fields:
		return fmt.Errorf("a silence must name at least %d fields here: it would hide too much", fields)
	}
	return nil
}

type inhibitor struct {
	Inhibit
	by, mute match.Matcher
	equal    []match.Getter
}

func compileInhibit(h Inhibit, i int) (*inhibitor, error) {
	at := func(more ...string) []string { return append([]string{"inhibit", fmt.Sprint(i)}, more...) }
	if h.Name == "" {
		h.Name = fmt.Sprintf("inhibit-%d", i+1)
	}
	if h.Within == 0 {
		h.Within = defaultWithin
	}
	x := &inhibitor{Inhibit: h}
	var err error
	if x.by, err = parseMatch(h.By, at("by")); err != nil {
		return nil, err
	}
	if x.mute, err = parseMatch(h.Mute, at("mute")); err != nil {
		return nil, err
	}
	switch {
	case x.by.Empty():
		return nil, &Error{at("by"), "must say which findings explain others"}
	case x.mute.Empty():
		return nil, &Error{at("mute"), "must say which findings are muted"}
	case len(h.Equal) == 0:
		return nil, &Error{at("equal"), "must name the fields that both findings have in common, such as [host, container]"}
	case h.Within < 0 || h.Within > 24*time.Hour:
		return nil, &Error{at("within"), "must be between 0 and 24h"}
	}
	for j, name := range h.Equal {
		get, err := match.Field(name)
		if err != nil {
			return nil, &Error{at("equal", fmt.Sprint(j)), err.Error()}
		}
		x.equal = append(x.equal, get)
	}
	return x, nil
}

// key is where the sources of f's kind are remembered. A missing field is equal to nothing.
func (h *inhibitor) key(f *finding.Finding) (string, bool) {
	parts := []string{h.Name}
	for _, get := range h.equal {
		v := get(f)
		if v == "" {
			return "", false
		}
		parts = append(parts, v)
	}
	return digest("i-", parts...), true
}

// Source is what the router remembers of findings that explain others: when the last one of each severity was. A later
// finding of a lower severity does not prolong the mute of a higher one.
type Source struct {
	Key     string       `json:"key"`
	Last    [5]time.Time `json:"last"`
	Expires time.Time    `json:"expires"` // when it may be forgotten
}

// suppressor is why something is held back.
type suppressor struct {
	kind, name string
	until      time.Time
}

// hides returns what holds f back, if anything does.
func (t *Table) hides(st *State, f *finding.Finding) (suppressor, bool) {
	for i := range st.Silences {
		if s := &st.Silences[i]; s.Active(st.Now) && s.Match.Match(f) {
			return suppressor{"silence", s.ID, s.End}, true
		}
	}
	for _, h := range t.inhibit {
		if until, ok := h.mutes(st, f); ok {
			return suppressor{"inhibition", h.Name, until}, true
		}
	}
	return suppressor{}, false
}

// mutes returns until when f is muted. The source must be at least as severe as f.
func (h *inhibitor) mutes(st *State, f *finding.Finding) (until time.Time, muted bool) {
	if !h.mute.Match(f) {
		return until, false
	}
	key, ok := h.key(f)
	if !ok || st.Sources[key] == nil {
		return until, false
	}
	for _, last := range st.Sources[key].Last[f.Severity:] {
		if !last.IsZero() && f.Time.Sub(last).Abs() <= h.Within {
			return last.Add(h.Within), true
		}
	}
	return until, false
}

// remember keeps f as a source. What an inhibitor mutes is no source for it: a finding can't hide itself.
func (t *Table) remember(st *State, f *finding.Finding) {
	for _, h := range t.inhibit {
		if !h.by.Match(f) || h.mute.Match(f) {
			continue
		}
		key, ok := h.key(f)
		if !ok {
			continue
		}
		src := &Source{Key: key}
		if old := st.Sources[key]; old != nil {
			*src = *old
		}
		if f.Time.After(src.Last[f.Severity]) {
			src.Last[f.Severity] = f.Time
		}
		src.Expires = st.Now.Add(2 * h.Within)
		st.Sources[key] = src
		st.changed.sources[key] = true
	}
}

// sourceKeys adds the keys under which a source that concerns f may be.
func (t *Table) sourceKeys(out []string, f *finding.Finding) []string {
	for _, h := range t.inhibit {
		if h.by.Match(f) || h.mute.Match(f) {
			if key, ok := h.key(f); ok && !slices.Contains(out, key) {
				out = append(out, key)
			}
		}
	}
	return out
}

// record writes on the alert that something was held back.
func (s suppressor) record(st *State, a *Alert, n uint64) {
	for i := range a.Suppressed {
		x := &a.Suppressed[i]
		if x.Kind == s.kind && x.Name == s.name {
			x.Count += n
			x.Until = s.until
			st.touch(a)
			return
		}
	}
	a.Suppressed = append(a.Suppressed, finding.Suppression{Kind: s.kind, Name: s.name, Count: n, Since: st.Now, Until: s.until})
	if len(a.Suppressed) > maxSuppressions {
		a.Suppressed = slices.Delete(a.Suppressed, 0, 1)
	}
	st.touch(a)
}

const maxSuppressions = 32
