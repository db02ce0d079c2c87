package detect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Exception keeps a rule from making findings of events that are known to be fine. Exceptions are data: users add them
// without editing a rule.
type Exception struct {
	Rule string `json:"rule,omitempty"` // id of the rule, or "*"
	// Match: every field of the event has one of the values. Values are globs (*, ?), or "!glob" for none of them.
	Match   map[string][]string `json:"match"`
	Reason  string              `json:"reason"`
	Expires time.Time           `json:"expires,omitzero"` // no end when zero
}

// ParseExceptions reads a list of exceptions in JSON. A value may be written as a text instead of a list.
func ParseExceptions(raw []byte) ([]Exception, error) {
	var list []struct {
		Rule    string                     `json:"rule"`
		Match   map[string]json.RawMessage `json:"match"`
		Reason  string                     `json:"reason"`
		Expires string                     `json:"expires"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&list); err != nil {
		return nil, fmt.Errorf(`%w: use [{"rule": "…", "match": {"processName": ["…"]}, "reason": "…", "expires": "2030-01-31"}]`, err)
	}
	out := make([]Exception, 0, len(list))
	for i, x := range list {
		e := Exception{Rule: x.Rule, Reason: x.Reason, Match: map[string][]string{}}
		if len(x.Match) == 0 {
			return nil, fmt.Errorf("exception %d has no match: it would hide every finding of the rule", i+1)
		}
		if x.Reason == "" {
			return nil, fmt.Errorf("exception %d has no reason: say why these events are fine", i+1)
		}
		for field, v := range x.Match {
			var one string
			var many []string
			if json.Unmarshal(v, &one) == nil {
				many = []string{one}
			} else if err := json.Unmarshal(v, &many); err != nil || len(many) == 0 {
				return nil, fmt.Errorf("exception %d: %s is neither a text nor a list of texts", i+1, field)
			}
			e.Match[field] = many
		}
		if x.Expires != "" {
			var err error
			if e.Expires, err = parseExpiry(x.Expires); err != nil {
				return nil, fmt.Errorf("exception %d: expires %q is no date: use 2030-01-31 or 2030-01-31T12:00:00Z", i+1, x.Expires)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

func parseExpiry(text string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err = time.Parse(layout, text); err == nil {
			break
		}
	}
	return t, err
}
