package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Scope is what a token allows.
type Scope string

const (
	Read       Scope = "read"
	Triage     Scope = "triage"  // change alerts; includes read
	SilenceOps Scope = "silence" // add and end silences; includes read
	Ingest     Scope = "ingest"  // send findings, nothing else
	Admin      Scope = "admin"   // everything, with dead letters and the audit
)

var scopes = []Scope{Read, Triage, SilenceOps, Ingest, Admin}

// Token is a bearer token as it is kept: only its hash.
type Token struct {
	Name    string // who: shown in the audit
	Scopes  []Scope
	Expires time.Time // zero: never
	Hash    [sha256.Size]byte
}

const tokenPrefix = "tocsin_"

// NewToken makes a token. The secret is shown once; the Token's Line goes into the tokens file.
func NewToken(name string, sc []Scope, expires time.Time) (secret string, t Token) {
	secret = tokenPrefix + rand.Text() + rand.Text()
	return secret, Token{name, sc, expires, sha256.Sum256([]byte(secret))}
}

// Line is the token's line in a tokens file.
func (t *Token) Line() string {
	sc := make([]string, len(t.Scopes))
	for i, s := range t.Scopes {
		sc[i] = string(s)
	}
	exp := "never"
	if !t.Expires.IsZero() {
		exp = t.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s %s %s sha256:%s", t.Name, strings.Join(sc, ","), exp, hex.EncodeToString(t.Hash[:]))
}

// ParseTokens reads a tokens file: one token a line, "name scopes expiry sha256:hash". Scopes are separated by commas; the
// expiry is a date, an RFC 3339 time or "never"; the hash is the SHA-256 of the token in hex. Lines that begin with # and
// empty lines are skipped. Errors name the line and never show its content.
func ParseTokens(text string) ([]Token, error) {
	var out []Token
	sc := bufio.NewScanner(strings.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 4 {
			return nil, fmt.Errorf("tokens, line %d: want 4 words, name scopes expiry sha256:hash, found %d", n, len(f))
		}
		t := Token{Name: f[0]}
		for s := range strings.SplitSeq(f[1], ",") {
			if !slices.Contains(scopes, Scope(s)) {
				return nil, fmt.Errorf("tokens, line %d: unknown scope %q: use %v", n, s, scopes)
			}
			t.Scopes = append(t.Scopes, Scope(s))
		}
		var err error
		if f[2] != "never" {
			if t.Expires, err = time.Parse(time.RFC3339, f[2]); err != nil {
				if t.Expires, err = time.Parse(time.DateOnly, f[2]); err != nil {
					return nil, fmt.Errorf("tokens, line %d: %q is not a date such as 2027-01-31, nor never", n, f[2])
				}
			}
		}
		h, ok := strings.CutPrefix(f[3], "sha256:")
		b, err := hex.DecodeString(h)
		if !ok || err != nil || len(b) != len(t.Hash) {
			return nil, fmt.Errorf("tokens, line %d: the last word must be sha256: and 64 hex digits; make one with: printf %%s \"$TOKEN\" | sha256sum", n)
		}
		copy(t.Hash[:], b)
		out = append(out, t)
	}
	return out, sc.Err()
}

// Allows reports whether the token has the scope.
func (t *Token) Allows(s Scope) bool {
	for _, have := range t.Scopes {
		if have == s || have == Admin || (s == Read && (have == Triage || have == SilenceOps)) {
			return true
		}
	}
	return false
}

type actorKey struct{}

// actor is who makes the request, for the audit.
func actor(ctx context.Context) string {
	if t, ok := ctx.Value(actorKey{}).(*Token); ok {
		return t.Name
	}
	return "local"
}

var (
	errNoToken  = errors.New("a token is needed: send it as Authorization: Bearer TOKEN")
	errBadToken = errors.New("the token is not known")
	errExpired  = errors.New("the token has expired: ask for a new one")
)

// auth finds the token of a request. Without any tokens configured everybody who can connect may do everything, and that
// is only this host.
type auth struct{ byHash map[[sha256.Size]byte]*Token }

func newAuth(tokens []Token) *auth {
	a := &auth{byHash: map[[sha256.Size]byte]*Token{}}
	for i := range tokens {
		a.byHash[tokens[i].Hash] = &tokens[i]
	}
	return a
}

func (a *auth) token(r *http.Request) (*Token, error) {
	if len(a.byHash) == 0 {
		return &Token{Name: "local", Scopes: []Scope{Admin}}, nil
	}
	kind, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(kind, "Bearer") {
		return nil, errNoToken
	}
	// Looking up the hash of a long random secret tells nothing about other secrets by its time.
	t := a.byHash[sha256.Sum256([]byte(strings.TrimSpace(secret)))]
	if t == nil {
		return nil, errBadToken
	}
	if !t.Expires.IsZero() && time.Now().After(t.Expires) {
		return nil, errExpired
	}
	return t, nil
}

// CheckListen refuses an address that others can reach unless there are tokens.
func CheckListen(addr string, tokens []Token) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: write it as host:port, such as 127.0.0.1:8700", addr)
	}
	if len(tokens) > 0 || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("refuse to listen on %s: others can reach it and no tokens are set: set server.tokens, or listen on 127.0.0.1", addr)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// sameHost refuses requests that a web page made a browser send: to a server without tokens, being on this host is all
// the right there is.
func (a *auth) sameHost(r *http.Request) bool {
	if len(a.byHash) > 0 {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return isLoopback(host)
}
