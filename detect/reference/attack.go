package reference

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-io/tocsin/finding"
)

// Coverage is which techniques of ATT&CK for Linux and containers the rules find.
type Coverage struct {
	Version string           `json:"version"` // of ATT&CK
	Tactics []TacticCoverage `json:"tactics"`
}

// TacticCoverage is the techniques of one tactic, in the order of their ids.
type TacticCoverage struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	ShortName  string              `json:"shortname"`
	Techniques []TechniqueCoverage `json:"techniques"`
}

// TechniqueCoverage is the rules for one technique or sub-technique; none means that it is not covered.
type TechniqueCoverage struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Rules []string `json:"rules,omitempty"`
}

// Cover counts for each technique the rules that name it, and for a technique those that name one of its sub-techniques.
func Cover(rules []Rule) Coverage {
	cat := finding.ATTACK()
	by := map[string][]string{}
	add := func(technique, rule string) {
		if technique != "" && !slices.Contains(by[technique], rule) {
			by[technique] = append(by[technique], rule)
		}
	}
	for _, r := range rules {
		for _, a := range r.Attack {
			add(a.Technique.ID, r.ID)
			if a.SubTechnique != nil {
				add(a.SubTechnique.ID, r.ID)
			}
		}
	}
	c := Coverage{Version: cat.Version}
	for _, t := range cat.Tactics {
		tc := TacticCoverage{ID: t.ID, Name: t.Name, ShortName: t.ShortName}
		for _, x := range cat.Techniques {
			if slices.Contains(x.Tactics, t.ShortName) {
				tc.Techniques = append(tc.Techniques, TechniqueCoverage{ID: x.ID, Name: x.Name, Rules: by[x.ID]})
			}
		}
		c.Tactics = append(c.Tactics, tc)
	}
	return c
}

// Covered counts the techniques with a rule, and all: without sub-techniques.
func (t TacticCoverage) Covered() (covered, all int) {
	for _, x := range t.Techniques {
		if strings.Contains(x.ID, ".") {
			continue
		}
		all++
		if len(x.Rules) > 0 {
			covered++
		}
	}
	return covered, all
}

// Markdown is the coverage as tables.
func (c Coverage) Markdown() string {
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	f("# ATT&CK coverage\n\nWhich techniques of ATT&CK Enterprise %s for Linux and containers have a built-in rule. A technique counts the rules of its sub-techniques.\n", c.Version)
	f("Open [attack-navigator.json](attack-navigator.json) in the ATT&CK Navigator to see the same as a matrix.\n\n")
	f("| Tactic | Covered | Techniques |\n| --- | --- | --- |\n")
	for _, t := range c.Tactics {
		n, all := t.Covered()
		if all == 0 { // what comes before a host is reached
			continue
		}
		f("| %s | %d | %d |\n", t.Name, n, all)
	}
	for _, t := range c.Tactics {
		if len(t.Techniques) == 0 {
			continue
		}
		f("\n## %s\n\n", t.Name)
		var missing []string
		first := true
		for _, x := range t.Techniques {
			if len(x.Rules) == 0 {
				if !strings.Contains(x.ID, ".") {
					missing = append(missing, x.ID+" "+x.Name)
				}
				continue
			}
			if first {
				f("| Technique | Rules |\n| --- | --- |\n")
				first = false
			}
			links := make([]string, len(x.Rules))
			for i, r := range x.Rules {
				links[i] = fmt.Sprintf("[%s](%s.md)", r, r)
			}
			f("| %s %s | %s |\n", x.ID, x.Name, strings.Join(links, ", "))
		}
		if len(missing) > 0 {
			if !first {
				f("\n")
			}
			f("Not covered: %s.\n", strings.Join(missing, ", "))
		}
	}
	return b.String()
}

// Navigator is the coverage as a layer of MITRE's ATT&CK Navigator, layer format 4.5.
func (c Coverage) Navigator() []byte {
	type technique struct {
		ID      string `json:"techniqueID"`
		Tactic  string `json:"tactic"`
		Score   int    `json:"score"`
		Comment string `json:"comment"`
		Enabled bool   `json:"enabled"`
		Sub     bool   `json:"showSubtechniques"`
	}
	var list []technique
	most := 1
	for _, t := range c.Tactics {
		for _, x := range t.Techniques {
			if len(x.Rules) > 0 {
				list = append(list, technique{ID: x.ID, Tactic: t.ShortName, Score: len(x.Rules), Comment: strings.Join(x.Rules, ", "), Enabled: true, Sub: !strings.Contains(x.ID, ".")})
				most = max(most, len(x.Rules))
			}
		}
	}
	major, _, _ := strings.Cut(c.Version, ".")
	layer := map[string]any{
		"name": "Tocsin", "description": "Techniques with a built-in rule of Tocsin; the score is the number of rules.", "domain": "enterprise-attack",
		"versions":   map[string]string{"attack": major, "navigator": "5.1.0", "layer": "4.5"},
		"filters":    map[string]any{"platforms": []string{"Linux", "Containers"}},
		"gradient":   map[string]any{"colors": []string{"#ffffff", "#ff9f40"}, "minValue": 0, "maxValue": most},
		"techniques": list,
	}
	out, err := json.MarshalIndent(layer, "", " ")
	if err != nil { // texts and numbers always marshal
		panic(err)
	}
	return append(out, '\n')
}
