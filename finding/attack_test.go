package finding

import (
	"slices"
	"testing"
)

// Technique ids are the truth; tactics choose among a technique's own, and stand alone where there is no id.
func TestAttackOfTags(t *testing.T) {
	for _, tt := range []struct{ tags, want []string }{
		{[]string{"container", "mitre_persistence", "maturity_stable"}, []string{"Persistence"}},
		{[]string{"attack.defense_evasion", "attack.t1027"}, []string{"T1027, TA0005"}},
		{[]string{"mitre_privilege_escalation", "T1611", "mitre_execution"}, []string{"T1611, TA0004"}},
		{[]string{"mitre_execution", "t1611"}, []string{"T1611"}},
		{[]string{" mitre_privilege_escalation ", "T1055.008", "mitre_defense_evasion"}, []string{"T1055.008, TA0004"}}, // both are its own
		{[]string{"mitre_persistence", "T9999"}, []string{"T9999"}},
		{[]string{"attack.s0001", "shell"}, nil},
	} {
		if got := ATTACK().OfTags(tt.tags); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.tags, got, tt.want)
		}
	}
}
