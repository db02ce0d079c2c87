package finding

import (
	"encoding/json"
	"testing"
	"time"
)

func notifications() []Notification {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	f := Finding{ID: "f-1", Rule: Rule{ID: "r"}, Event: []byte(`{"a":1,"findings":["x"]}`)}
	return []Notification{
		{ID: "n-1", Kind: KindFinding, Output: "siem", Route: "evidence", Time: at, Findings: []Finding{f}},
		{ID: "n-2", Kind: KindAlert, Output: "soc", Route: `r,"findings":["`, Time: at, Alert: &Alert{ID: "a-1", Finding: &f}, Findings: []Finding{f}},
		{ID: "n-3", Kind: KindAlert, Output: "soc", Route: "r", Time: at, Alert: &Alert{ID: "a-1", Message: `{"findings":[1]},"findings":[`}},
		{ID: "n-4", Kind: KindDigest, Output: "soc", Route: "r", Time: at, Digest: []Alert{{ID: "a-2", Finding: &f}}},
	}
}

func TestDecodeHead(t *testing.T) {
	for _, n := range notifications() {
		body, err := Marshal(&n)
		if err != nil {
			t.Fatal(err)
		}
		was := string(body)
		got, err := DecodeHead(body)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != n.ID || got.Kind != n.Kind || got.Output != n.Output || got.Route != n.Route || !got.Time.Equal(n.Time) || string(got.Body) != was {
			t.Errorf("%s: %+v", was, got)
		}
		if (got.Alert == nil) != (n.Alert == nil) || n.Alert != nil && got.Alert.ID != n.Alert.ID {
			t.Errorf("%s: alert %+v", was, got.Alert)
		}
	}
	if _, err := DecodeHead([]byte(`{"id":`)); err == nil {
		t.Error("broken JSON was taken")
	}
}

// FuzzDecodeHead holds the short way equal to the long one.
func FuzzDecodeHead(f *testing.F) {
	for _, n := range notifications() {
		body, _ := Marshal(&n)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var whole Notification
		if json.Unmarshal(body, &whole) != nil {
			return // it does not come from a router
		}
		again, err := Marshal(&whole)
		if err != nil {
			return
		}
		n, err := DecodeHead(again)
		if err != nil || n.ID != whole.ID || n.Kind != whole.Kind || n.Output != whole.Output || n.Route != whole.Route || !n.Time.Equal(whole.Time) {
			t.Fatalf("%s: %+v, %v", again, n, err)
		}
	})
}

func BenchmarkDecodeHead(b *testing.B) {
	body, _ := Marshal(&notifications()[0])
	b.Run("head", func(b *testing.B) {
		for b.Loop() {
			_, _ = DecodeHead(body)
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			var n Notification
			_ = json.Unmarshal(body, &n)
		}
	})
}
