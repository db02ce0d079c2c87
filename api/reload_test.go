package api

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestReload(t *testing.T) {
	adminSecret, admin := NewToken("ops", []Scope{Admin}, time.Time{})
	readSecret, read := NewToken("alice", []Scope{Read, Triage}, time.Time{})
	var wrong error
	reloads := 0
	w := open(t, func(o *Options) {
		o.Tokens = []Token{admin, read}
		o.Reload = func(context.Context) error { reloads++; return wrong }
	})
	for _, c := range []struct {
		token  string
		wrong  error
		status int
		detail string
	}{
		{"", nil, 401, ""},
		{readSecret, nil, 403, ""},
		{adminSecret, nil, 204, ""},
		{adminSecret, errors.New("rules/a.rego:3: no"), 422, "rules/a.rego:3: no"},
	} {
		w.token, wrong = c.token, c.wrong
		var l listed
		into := any(&l)
		if c.status == 204 {
			into = nil
		}
		if res := w.do("POST", "/v1/reload", "", into); res.StatusCode != c.status || c.detail != "" && l.Detail != c.detail {
			t.Errorf("%d %q, want %d %q", res.StatusCode, l.Detail, c.status, c.detail)
		}
	}
	if reloads != 2 {
		t.Errorf("%d reloads", reloads)
	}
}
