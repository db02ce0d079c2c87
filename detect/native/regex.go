package native

import (
	"regexp/syntax"
	"slices"
)

// mostRequired is how many texts a regular expression may be looked for by: with more, most of what has one is no match.
const mostRequired = 8

// required returns texts of which everything that a regular expression matches has one: at its start when prefix is true, else
// anywhere. There are none when it can match without.
func required(pattern string) (texts []string, prefix bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	re = re.Simplify()
	if re.Op == syntax.OpConcat && re.Sub[0].Op == syntax.OpBeginText {
		if l, _ := run(re.Sub[1:]); least(l) > 0 {
			return l, true
		}
	}
	return literals(re), false
}

// literals returns texts of which everything that a part of an expression matches has one, those whose shortest is the longest.
func literals(re *syntax.Regexp) []string {
	if l, ok := exactly(re); ok {
		return l
	}
	var best []string
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return literals(re.Sub[0])
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			l := literals(s)
			if least(l) == 0 {
				return nil
			}
			best = append(best, l...)
		}
		if len(best) > mostRequired {
			return nil
		}
	case syntax.OpConcat:
		for i := 0; i < len(re.Sub); {
			l, n := run(re.Sub[i:])
			if n == 0 {
				l, n = literals(re.Sub[i]), 1
			}
			if least(l) > least(best) {
				best = l
			}
			i += n
		}
	}
	return best
}

// run returns all that the first parts together match, and how many parts these are.
func run(parts []*syntax.Regexp) (all []string, n int) {
	all = []string{""}
	for _, p := range parts {
		l, ok := exactly(p)
		if !ok || len(all)*len(l) > mostRequired {
			break
		}
		longer := make([]string, 0, len(all)*len(l))
		for _, a := range all {
			for _, b := range l {
				longer = append(longer, a+b)
			}
		}
		all = longer
		n++
	}
	return all, n
}

// exactly returns all that a part of an expression matches, where that is little.
func exactly(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCharClass:
		var l []string
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if int(re.Rune[i+1]-re.Rune[i])+len(l) >= mostRequired {
				return nil, false
			}
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				l = append(l, string(r))
			}
		}
		return l, len(l) > 0
	case syntax.OpCapture:
		return exactly(re.Sub[0])
	case syntax.OpQuest:
		l, ok := exactly(re.Sub[0])
		return append([]string{""}, l...), ok && len(l) < mostRequired
	case syntax.OpConcat:
		l, n := run(re.Sub)
		return l, n == len(re.Sub)
	case syntax.OpAlternate:
		var all []string
		for _, s := range re.Sub {
			l, ok := exactly(s)
			if !ok || len(all)+len(l) > mostRequired {
				return nil, false
			}
			all = append(all, l...)
		}
		return all, true
	}
	return nil, false
}

// least is the length of the shortest, 0 when there is none.
func least(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	return len(slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) }))
}
