package finding

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

func TestResolve(t *testing.T) {
	for text, want := range map[string]string{
		"Container Administration Command":     "TA0002/T1609/",
		"T1611":                                "TA0004/T1611/",
		"t1055.008":                            "TA0005/T1055/T1055.008",
		"TA0004 T1055.008":                     "TA0004/T1055/T1055.008",
		"Privilege Escalation: Escape to Host": "TA0004/T1611/",
		"Defense Evasion: Process Injection: Ptrace System Calls": "TA0005/T1055/T1055.008",
		"Process Injection: Ptrace System Calls":                  "TA0005/T1055/T1055.008",
		"Persistence":                                             "TA0003//",
		"persistence: scheduled task/job: cron":                   "TA0003/T1053/T1053.003",
		"Credential Access: Unsecured Credentials: Private Keys":  "TA0006/T1552/T1552.004",
		"Make Tea": "",
	} {
		got, ok := ATTACK().Resolve(text)
		s := ""
		if len(got) > 0 {
			s = fmt.Sprintf("%s/%s/", got[0].Tactic.ID, got[0].Technique.ID)
			if got[0].SubTechnique != nil {
				s += got[0].SubTechnique.ID
			}
		}
		if s != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, s, ok, want)
		}
	}
}

// The catalogue's facts are compared with MITRE's: TOCSIN_ATTACK names a JSON file of its tactics and techniques for Linux
// and containers, {version, tactics: [{id, name, shortname}], techniques: [{id, name, tactics, containers}]}.
func TestCatalogueAgainstMITRE(t *testing.T) {
	path := os.Getenv("TOCSIN_ATTACK")
	if path == "" {
		t.Skip("TOCSIN_ATTACK names no file of MITRE's facts to compare with")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Version    string
		Techniques []Technique
		Tactics    []Tactic
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	c := ATTACK()
	if c.Version != doc.Version || fmt.Sprint(c.Techniques) != fmt.Sprint(doc.Techniques) || fmt.Sprint(c.Tactics) != fmt.Sprint(doc.Tactics) {
		t.Error("attack.csv differs from MITRE's file")
	}
	for _, x := range c.Techniques {
		for _, s := range x.Tactics {
			if _, ok := c.Tactic(s); !ok {
				t.Errorf("%s: unknown tactic %s", x.ID, s)
			}
		}
	}
}

func TestSeverityText(t *testing.T) {
	for s := Info; s <= Critical; s++ {
		b, err := s.MarshalText()
		var back Severity
		if err != nil || back.UnmarshalText(b) != nil || back != s {
			t.Errorf("%v: %s %v", s, b, err)
		}
	}
	if _, err := ParseSeverity("urgent"); err == nil {
		t.Error("no error for an unknown word")
	}
}
