package bus

import "testing"

// PublishRaw stores bytes as no publisher would.
func PublishRaw(t testing.TB, b *Bus, subject string, data []byte) {
	t.Helper()
	if _, err := b.js.Publish(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
}
