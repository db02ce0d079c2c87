package native

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"
)

// textIndex finds, for one text, all the patterns that it relates to, in one pass for each relation.
type textIndex struct {
	equal    map[string][]int32
	lengths  uint64 // of the texts in equal, modulo 64: most texts need no look-up
	prefix   *trie
	suffix   *trie
	contains contains
}

func newTextIndex() *textIndex { return &textIndex{} }

// add makes lookups that match the pattern yield id.
func (x *textIndex) add(op Op, pattern string, id int32) {
	switch op {
	case Equal:
		if x.equal == nil {
			x.equal = map[string][]int32{}
		}
		x.equal[pattern] = append(x.equal[pattern], id)
		x.lengths |= 1 << (len(pattern) % 64)
	case Prefix:
		if x.prefix == nil {
			x.prefix = newTrie(false)
		}
		x.prefix.add(pattern, id)
	case Suffix:
		if x.suffix == nil {
			x.suffix = newTrie(true)
		}
		x.suffix.add(pattern, id)
	case Contains:
		x.contains.add(pattern, id)
	}
}

// finish makes the index ready for lookups.
func (x *textIndex) finish() {
	for _, t := range []*trie{x.prefix, x.suffix} {
		if t != nil {
			t.finish()
		}
	}
	x.contains.finish()
}

// find appends the ids of the patterns that v relates to; an id may come more than once.
func (x *textIndex) find(v string, dst []int32) []int32 {
	if x.lengths&(1<<(len(v)%64)) != 0 {
		dst = append(dst, x.equal[v]...)
	}
	if x.prefix != nil {
		dst = x.prefix.find(v, dst)
	}
	if x.suffix != nil {
		dst = x.suffix.find(v, dst)
	}
	return x.contains.find(v, dst)
}

// any reports whether v relates to a pattern.
func (x *textIndex) any(v string) bool {
	var buf [8]int32
	return len(x.find(v, buf[:0])) > 0
}

// shared are values in use, by key: a condition comes once for each event and origin that its rule selects, and is the same for all.
type shared[T any] struct {
	mu sync.Mutex
	of map[string]weak.Pointer[T]
}

// get returns the value of a key, which is made if nobody uses it.
func (c *shared[T]) get(key string, make func() *T) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.of[key].Value(); v != nil {
		return v
	}
	v := make()
	if c.of == nil {
		c.of = map[string]weak.Pointer[T]{}
	}
	c.of[key] = weak.Make(v)
	runtime.AddCleanup(v, c.forget, key)
	return v
}

func (c *shared[T]) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[key].Value() == nil { // else it was made anew
		delete(c.of, key)
	}
}

var (
	indexes shared[textIndex]
	sets    shared[textSet]
)

// sharedIndex returns the index of one condition.
func sharedIndex(op Op, strs []string) *textIndex {
	return indexes.get(string(rune(op))+strings.Join(strs, "\x00"), func() *textIndex {
		ix := newTextIndex()
		for _, s := range strs {
			ix.add(op, s, 0)
		}
		ix.finish()
		return ix
	})
}

type textSet map[string]struct{}

func (s *textSet) has(v string) bool { _, ok := (*s)[v]; return ok }

func sharedSet(strs []string) *textSet {
	return sets.get(strings.Join(strs, "\x00"), func() *textSet {
		set := make(textSet, len(strs))
		for _, s := range strs {
			set[s] = struct{}{}
		}
		return &set
	})
}

// trie holds prefixes, or suffixes when it reads backwards. Its nodes are packed when it is finished: rules have hundreds of tries.
type trie struct {
	root     [256]int32 // children of the root, 0 for none
	all      []int32    // of the empty pattern
	backward bool

	building []trieNode // until it is finished

	nodes []trieSpan
	bytes []byte // of the children of all nodes, one node's after the other's
	next  []int32
	ids   []int32
}

type trieNode struct {
	bytes []byte // of the children, parallel to next
	next  []int32
	ids   []int32
}

// trieSpan says where a node's children and ids begin: they end where the next node's begin.
type trieSpan struct{ child, id int32 }

func newTrie(backward bool) *trie { return &trie{building: make([]trieNode, 1), backward: backward} }

func (t *trie) add(p string, id int32) {
	if p == "" {
		t.all = append(t.all, id)
		return
	}
	at := int32(0)
	for i := range len(p) {
		c := p[i]
		if t.backward {
			c = p[len(p)-1-i]
		}
		next := int32(0)
		if i == 0 {
			next = t.root[c]
		} else if j := slices.Index(t.building[at].bytes, c); j >= 0 {
			next = t.building[at].next[j]
		}
		if next == 0 {
			next = int32(len(t.building))
			t.building = append(t.building, trieNode{})
			if i == 0 {
				t.root[c] = next
			} else {
				n := &t.building[at]
				n.bytes, n.next = append(n.bytes, c), append(n.next, next)
			}
		}
		at = next
	}
	t.building[at].ids = append(t.building[at].ids, id)
}

func (t *trie) finish() {
	children, ids := 0, 0
	for i := range t.building {
		children, ids = children+len(t.building[i].bytes), ids+len(t.building[i].ids)
	}
	t.nodes = make([]trieSpan, 0, len(t.building)+1)
	t.bytes, t.next, t.ids = make([]byte, 0, children), make([]int32, 0, children), make([]int32, 0, ids)
	for _, n := range t.building {
		t.nodes = append(t.nodes, trieSpan{int32(len(t.bytes)), int32(len(t.ids))})
		t.bytes, t.next, t.ids = append(t.bytes, n.bytes...), append(t.next, n.next...), append(t.ids, n.ids...)
	}
	t.nodes = append(t.nodes, trieSpan{int32(len(t.bytes)), int32(len(t.ids))})
	t.building = nil
}

func (t *trie) find(v string, dst []int32) []int32 {
	dst = append(dst, t.all...)
	if v == "" {
		return dst
	}
	i, step := 0, 1
	if t.backward {
		i, step = len(v)-1, -1
	}
	at := t.root[v[i]]
	for at != 0 {
		n, end := t.nodes[at], t.nodes[at+1]
		if n.id != end.id {
			dst = append(dst, t.ids[n.id:end.id]...)
		}
		if i += step; i < 0 || i >= len(v) {
			return dst
		}
		c := v[i]
		at = 0
		for j, b := range t.bytes[n.child:end.child] {
			if b == c {
				at = t.next[int(n.child)+j]
				break
			}
		}
	}
	return dst
}

// contains finds substrings: a few one by one, many with the automaton of Aho and Corasick.
type contains struct {
	patterns []string
	ids      [][]int32
	all      []int32 // of the empty pattern
	byText   map[string]int

	class  [256]uint8 // of bytes; 0 is every byte that no pattern has
	width  int
	states []int32  // next state, by state × width + class
	narrow []uint16 // the same in half the memory, where there are not too many
	out    [][]int32
}

// fewSubstrings is how many patterns are looked for one by one: strings.Contains passes over a text much faster than the
// automaton.
const fewSubstrings = 3

func (c *contains) add(p string, id int32) {
	if p == "" {
		c.all = append(c.all, id)
		return
	}
	if c.byText == nil {
		c.byText = map[string]int{}
	}
	i, ok := c.byText[p]
	if !ok {
		i = len(c.patterns)
		c.byText[p] = i
		c.patterns, c.ids = append(c.patterns, p), append(c.ids, nil)
	}
	c.ids[i] = append(c.ids[i], id)
}

func (c *contains) finish() {
	if len(c.patterns) <= fewSubstrings {
		return
	}
	c.width = 1
	for _, p := range c.patterns {
		for i := range len(p) {
			if c.class[p[i]] == 0 && c.width < 256 {
				c.class[p[i]] = uint8(c.width)
				c.width++
			}
		}
	}
	newState := func() int32 {
		c.states = append(c.states, make([]int32, c.width)...)
		c.out = append(c.out, nil)
		return int32(len(c.out) - 1)
	}
	newState()
	for n, p := range c.patterns {
		at := int32(0)
		for i := range len(p) {
			k := int(at)*c.width + int(c.class[p[i]])
			if c.states[k] == 0 {
				next := newState()
				c.states[k] = next
			}
			at = c.states[k]
		}
		c.out[at] = append(c.out[at], c.ids[n]...)
	}
	// Breadth first: where a state has no way on, it goes where its longest proper suffix goes.
	fail := make([]int32, len(c.out))
	var queue []int32
	for k := range c.width {
		if s := c.states[k]; s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		f := fail[s]
		c.out[s] = append(c.out[s], c.out[f]...)
		for k := range c.width {
			i := int(s)*c.width + k
			to := c.states[int(f)*c.width+k]
			if next := c.states[i]; next != 0 {
				fail[next] = to
				queue = append(queue, next)
			} else {
				c.states[i] = to
			}
		}
	}
	c.byText = nil
	if len(c.out) > 1<<16 {
		c.states = slices.Clone(c.states) // what growing has left unused weighs as much again
		return
	}
	c.narrow = make([]uint16, len(c.states))
	for i, s := range c.states {
		c.narrow[i] = uint16(s)
	}
	c.states = nil
}

func (c *contains) find(v string, dst []int32) []int32 {
	if c.all != nil {
		dst = append(dst, c.all...)
	}
	if len(c.patterns) <= fewSubstrings {
		for i, p := range c.patterns {
			if strings.Contains(v, p) {
				dst = append(dst, c.ids[i]...)
			}
		}
		return dst
	}
	if c.narrow != nil {
		return findIn(c, c.narrow, v, dst)
	}
	return findIn(c, c.states, v, dst)
}

func findIn[S uint16 | int32](c *contains, states []S, v string, dst []int32) []int32 {
	at := 0
	for i := range len(v) {
		at = int(states[at*c.width+int(c.class[v[i]])])
		if c.out[at] != nil {
			dst = append(dst, c.out[at]...)
		}
	}
	return dst
}
