package store

// SetFew sets below how many alerts a condition is looked up, and returns what sets it back.
func SetFew(n int) func() {
	was := few
	few = n
	return func() { few = was }
}
