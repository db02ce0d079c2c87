package native

import "regexp/syntax"

// required returns a text that everything a regular expression matches has: at its start when prefix is true, else
// anywhere. It is empty when there is none.
func required(pattern string) (literal string, prefix bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	re = re.Simplify()
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	if len(parts) > 1 && parts[0].Op == syntax.OpBeginText {
		if l := literalOf(parts[1]); l != "" {
			return l, true
		}
	}
	for _, p := range parts {
		if l := literalOf(p); len(l) > len(literal) {
			literal = l
		}
	}
	return literal, false
}

// literalOf is the text that a part of an expression always matches.
func literalOf(re *syntax.Regexp) string {
	switch {
	case re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0:
		return string(re.Rune)
	case re.Op == syntax.OpCapture, re.Op == syntax.OpPlus:
		return literalOf(re.Sub[0])
	case re.Op == syntax.OpConcat:
		best := ""
		for _, s := range re.Sub {
			if l := literalOf(s); len(l) > len(best) {
				best = l
			}
		}
		return best
	}
	return ""
}
