package bus

import "testing"

// PublishRaw stores bytes as no publisher would.
func PublishRaw(t testing.TB, b *Bus, subject string, data []byte) {
	t.Helper()
	if _, err := b.js.Publish(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
}

// WithoutPartitions makes the stream of findings what it was before there were partitions.
func WithoutPartitions(t testing.TB, b *Bus) {
	t.Helper()
	c := Streams{}.configs()[0]
	c.SubjectTransform = nil
	if _, err := b.js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// ForgetRouters deletes the list of routers, as a restart of the server does.
func ForgetRouters(t testing.TB, b *Bus) {
	t.Helper()
	if err := b.js.DeleteKeyValue(t.Context(), routersBucket); err != nil {
		t.Fatal(err)
	}
}
