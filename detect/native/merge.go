package native

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Merge writes alternatives that differ in one condition as one conjunction: (a and b) or (a and c) is a and (b or c). What partial
// evaluation makes of "some x in {…}" is an alternative for each element, and for two of them one for each pair. The result
// holds exactly when n does.
func Merge(n *Node) *Node {
	if len(n.Kids) == 0 {
		return n
	}
	out := *n
	out.Kids = make([]*Node, len(n.Kids))
	for i, k := range n.Kids {
		out.Kids[i] = Merge(k)
	}
	switch n.Op {
	case And:
		return AllOf(neither(out.Kids)...)
	case Or:
		return anyOfMerged(out.Kids)
	}
	return &out
}

// neither makes one negation of those about the same value, and leaves out what stands twice.
func neither(kids []*Node) []*Node {
	at := map[string]int{}
	var out []*Node
	for _, n := range kids {
		key := "is\x01" + n.Key()
		if n.Op == Not && n.Kids[0].about() != "" {
			key = "not\x01" + n.Kids[0].about()
		}
		i, seen := at[key]
		switch {
		case !seen:
			at[key] = len(out)
			out = append(out, n)
		case n.Op == Not && n.Kids[0].about() != "":
			out[i] = &Node{Op: Not, Kids: []*Node{unite([]*Node{out[i].Kids[0], n.Kids[0]})}}
		}
	}
	return out
}

// alternative is a conjunction; keys are those of its conditions.
type alternative struct {
	all  []*Node
	keys []string
}

func newAlternative(all []*Node) alternative {
	a := alternative{}
	seen := map[string]bool{}
	for _, n := range all {
		if k := n.Key(); !seen[k] {
			seen[k] = true
			a.all, a.keys = append(a.all, n), append(a.keys, k)
		}
	}
	return a
}

// but is the same for alternatives that differ in the condition at i only.
func (a *alternative) but(i int) string {
	rest := slices.Delete(slices.Clone(a.keys), i, i+1)
	slices.Sort(rest)
	return strings.Join(rest, "\x00")
}

func anyOfMerged(kids []*Node) *Node {
	var list []alternative
	for _, k := range AnyOf(kids...).alternatives() {
		if k.Op == And {
			list = append(list, newAlternative(k.Kids))
		} else {
			list = append(list, newAlternative([]*Node{k}))
		}
	}
	for {
		n := len(list)
		if list = mergeOnce(list); len(list) == n {
			break
		}
	}
	nodes := make([]*Node, len(list))
	for i, a := range list {
		nodes[i] = AllOf(a.all...)
	}
	return AnyOf(nodes...)
}

func (n *Node) alternatives() []*Node {
	if n.Op == Or {
		return n.Kids
	}
	return []*Node{n}
}

// mergeOnce merges groups of alternatives that differ in the condition on one value, the largest groups first.
func mergeOnce(list []alternative) []alternative {
	type place struct{ alternative, condition int }
	groups := map[string][]place{}
	for i := range list {
		a := &list[i]
		for j, n := range a.all {
			if about := n.about(); about != "" {
				key := about + "\x01" + a.but(j)
				groups[key] = append(groups[key], place{i, j})
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(len(groups[b])-len(groups[a]), strings.Compare(a, b))
	})
	merged := make([]bool, len(list)) // has been part of a merger: its conditions are others now
	gone := make([]bool, len(list))
	for _, key := range keys {
		places := slices.DeleteFunc(groups[key], func(p place) bool { return merged[p.alternative] })
		if len(places) < 2 {
			continue
		}
		nodes := make([]*Node, len(places))
		for i, p := range places {
			nodes[i] = list[p.alternative].all[p.condition]
			merged[p.alternative], gone[p.alternative] = true, i > 0
		}
		all := slices.Clone(list[places[0].alternative].all)
		all[places[0].condition] = unite(nodes)
		list[places[0].alternative] = newAlternative(all)
	}
	out := list[:0]
	for i, a := range list {
		if !gone[i] {
			out = append(out, a)
		}
	}
	return out
}

// about is the same for conditions that unite can write as one; empty for the others.
func (n *Node) about() string {
	switch n.Op {
	case Equal, Prefix, Suffix, Contains:
		return opNames[n.Op] + "\x01" + n.Term.String()
	case NumEqual:
		return "number\x01" + n.Term.String()
	case Any:
		return "any\x01" + n.Term.String()
	}
	return ""
}

// unite returns the disjunction of conditions about the same.
func unite(list []*Node) *Node {
	out := *list[0]
	if out.Op == Any { // some element is a, or some element is b: some element is a or b
		var kids []*Node
		for _, n := range list {
			kids = append(kids, n.Kids[0])
		}
		out.Kids = []*Node{anyOfMerged(kids)}
		return &out
	}
	out.Strs, out.Nums = slices.Clone(out.Strs), slices.Clone(out.Nums)
	for _, n := range list[1:] {
		for _, s := range n.Strs {
			if !slices.Contains(out.Strs, s) {
				out.Strs = append(out.Strs, s)
			}
		}
		for _, v := range n.Nums {
			if !slices.Contains(out.Nums, v) {
				out.Nums = append(out.Nums, v)
			}
		}
	}
	return &out
}
