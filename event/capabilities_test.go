package event

import (
	"slices"
	"testing"
)

func TestCapabilities(t *testing.T) {
	if got := Capabilities(0); got != nil {
		t.Errorf("none: %v", got)
	}
	if got, want := Capabilities(1|1<<21|1<<39|1<<60), []string{"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF", "CAP_60"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
