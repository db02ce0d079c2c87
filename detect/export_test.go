package detect

// KeysOf returns how many keys of rate limits and thresholds are kept.
func KeysOf(e *Engine) int {
	n := 0
	for _, r := range e.set.Load().rules {
		n += len(r.limiter.windows) + len(r.counter.keys)
	}
	return n
}
