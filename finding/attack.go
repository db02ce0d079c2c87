package finding

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

//go:embed attack.csv
var attackCSV string

// Tactic is an ATT&CK tactic. Tactics are data: a later version of ATT&CK may add or split them.
type Tactic struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	ShortName string `json:"shortname"`
}

// Technique is an ATT&CK technique or, with a dot in its ID, a sub-technique.
type Technique struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Tactics    []string `json:"tactics"` // short names
	Containers bool     `json:"containers"`
}

// Catalogue is one version of ATT&CK. It is immutable once made.
type Catalogue struct {
	Version    string
	Tactics    []Tactic
	Techniques []Technique

	tactics    map[string]int // by id, short name and folded name
	techniques map[string]int // by id
	names      map[string][]int
}

// ATTACK returns the embedded catalogue: the tactics and techniques for Linux and containers.
var ATTACK = sync.OnceValue(func() *Catalogue {
	c, err := ReadCatalogue(strings.NewReader(attackCSV))
	if err != nil { // the file is ours; a test reads it
		panic(err)
	}
	return c
})

// ReadCatalogue reads a catalogue in the form of attack.csv.
func ReadCatalogue(r io.Reader) (*Catalogue, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read ATT&CK catalogue: %w", err)
	}
	c := &Catalogue{}
	if m := regexp.MustCompile(`ATT&CK \w+ ([0-9.]+):`).FindSubmatch(raw); m != nil {
		c.Version = string(m[1])
	}
	rd := csv.NewReader(strings.NewReader(string(raw)))
	rd.Comment, rd.FieldsPerRecord = '#', -1
	for {
		rec, err := rd.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read ATT&CK catalogue: %w", err)
		}
		switch {
		case len(rec) == 3 && strings.HasPrefix(rec[0], "TA"):
			c.Tactics = append(c.Tactics, Tactic{rec[0], rec[1], rec[2]})
		case len(rec) == 4 && strings.HasPrefix(rec[0], "T"):
			c.Techniques = append(c.Techniques, Technique{rec[0], rec[1], strings.Split(rec[2], ";"), rec[3] == "c"})
		default:
			line, _ := rd.FieldPos(0)
			return nil, fmt.Errorf("read ATT&CK catalogue: line %d is neither a tactic nor a technique", line)
		}
	}
	c.index()
	return c, nil
}

func (c *Catalogue) index() {
	c.tactics, c.techniques, c.names = map[string]int{}, map[string]int{}, map[string][]int{}
	for i, t := range c.Tactics {
		c.tactics[t.ID], c.tactics[t.ShortName], c.tactics[fold(t.Name)] = i, i, i
	}
	for i, t := range c.Techniques {
		c.techniques[t.ID] = i
		c.names[fold(t.Name)] = append(c.names[fold(t.Name)], i)
	}
}

func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// Tactic finds a tactic by id, name or short name.
func (c *Catalogue) Tactic(key string) (Tactic, bool) {
	for _, k := range []string{strings.ToUpper(key), fold(key)} {
		if i, ok := c.tactics[k]; ok {
			return c.Tactics[i], true
		}
	}
	return Tactic{}, false
}

// Technique finds a technique by id.
func (c *Catalogue) Technique(id string) (Technique, bool) {
	i, ok := c.techniques[strings.ToUpper(id)]
	if !ok {
		return Technique{}, false
	}
	return c.Techniques[i], true
}

// HasTechnique reports whether there is a technique of this id or name.
func (c *Catalogue) HasTechnique(text string) bool {
	_, id := c.Technique(text)
	_, name := c.names[fold(text)]
	return id || name
}

var attackID = regexp.MustCompile(`(?i)\bT[0-9]{4}(\.[0-9]{3})?\b|\bTA[0-9]{4}\b`)

// Resolve turns the text of a rule's metadata into techniques with their ids and names. It understands ids anywhere in
// the text ("T1611", "T1055.008, TA0004"), "Technique", "Tactic: Technique", "Tactic: Technique: Sub-technique" and a
// tactic alone. It reports false for a text that names nothing in the catalogue; the caller keeps such a text.
func (c *Catalogue) Resolve(text string) ([]Attack, bool) {
	if ids := attackID.FindAllString(text, -1); ids != nil {
		var out []Attack
		var tactic Tactic
		for _, id := range ids {
			if t, ok := c.Tactic(id); ok {
				tactic = t
			}
		}
		for _, id := range ids {
			if t, ok := c.Technique(id); ok {
				out = append(out, c.attack(t, tactic))
			}
		}
		if out == nil && tactic.ID != "" {
			out = []Attack{{Tactic: Ref{tactic.ID, tactic.Name}}}
		}
		return out, out != nil
	}
	parts := strings.Split(text, ":")
	if a, ok := c.byNames(parts); ok {
		return []Attack{a}, true
	}
	// A name with a colon in it ("Hijack Execution Flow: …") may also stand behind a tactic.
	if tactic, ok := c.Tactic(parts[0]); ok && len(parts) > 1 {
		if a, ok := c.byNames(parts[1:]); ok {
			a.Tactic = Ref{tactic.ID, tactic.Name}
			return []Attack{a}, true
		}
	}
	return nil, false
}

var (
	techniqueTag = regexp.MustCompile(`(?i)^(?:attack\.)?(t[0-9]{4}(?:\.[0-9]{3})?)$`)
	tacticTag    = regexp.MustCompile(`(?i)^(?:attack\.|mitre_)([a-z_-]+)$`)
)

// OfTags returns what Falco's and Sigma's tags name, as texts for Resolve. The ids of techniques are the truth: the tags for tactics beside
// them are inconsistent, and say only which of a technique's own is meant, the first one in the order of the tags. Tactics stand alone where
// there is no technique. An id that is not in the catalogue is kept.
func (c *Catalogue) OfTags(tags []string) []string {
	var techniques, tactics []string
	var named []Tactic
	for _, t := range tags {
		t = strings.TrimSpace(t)
		if m := techniqueTag.FindStringSubmatch(t); m != nil {
			techniques = append(techniques, strings.ToUpper(m[1]))
		} else if m := tacticTag.FindStringSubmatch(t); m != nil {
			if tactic, ok := c.Tactic(strings.ReplaceAll(m[1], "_", "-")); ok {
				named, tactics = append(named, tactic), append(tactics, tactic.Name)
			}
		}
	}
	if techniques == nil {
		return tactics
	}
	for i, id := range techniques {
		technique, _ := c.Technique(id)
		for _, tactic := range named {
			if has(technique.Tactics, tactic.ShortName) {
				techniques[i] = id + ", " + tactic.ID
				break
			}
		}
	}
	return techniques
}

// byNames resolves "[tactic,] technique [, sub-technique]".
func (c *Catalogue) byNames(parts []string) (Attack, bool) {
	var tactic Tactic
	if t, ok := c.Tactic(parts[0]); ok {
		if len(parts) == 1 {
			return Attack{Tactic: Ref{t.ID, t.Name}}, true
		}
		tactic, parts = t, parts[1:]
	}
	var best *Technique
	for _, i := range c.names[fold(parts[len(parts)-1])] {
		t := &c.Techniques[i]
		parent, _, isSub := strings.Cut(t.ID, ".")
		if len(parts) > 1 {
			p, ok := c.Technique(parent)
			if !isSub || !ok || fold(p.Name) != fold(parts[len(parts)-2]) {
				continue
			}
		}
		// The same name can belong to several: prefer one of the named tactic, then a technique to a sub-technique.
		if best == nil || (tactic.ID != "" && !has(best.Tactics, tactic.ShortName) && has(t.Tactics, tactic.ShortName)) {
			best = t
		}
	}
	if best == nil {
		return Attack{}, false
	}
	return c.attack(*best, tactic), true
}

// attack describes technique t under the given tactic, or under the first of its own when none is given.
func (c *Catalogue) attack(t Technique, tactic Tactic) Attack {
	if tactic.ID == "" {
		tactic, _ = c.Tactic(t.Tactics[0])
	}
	a := Attack{Tactic: Ref{tactic.ID, tactic.Name}, Technique: Ref{t.ID, t.Name}}
	if parent, _, ok := strings.Cut(t.ID, "."); ok {
		a.SubTechnique = &Ref{t.ID, t.Name}
		p, _ := c.Technique(parent)
		a.Technique = Ref{parent, p.Name}
	}
	return a
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
