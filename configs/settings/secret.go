// Package settings holds the types that configuration structs are made of, so that a package can declare its settings
// without knowing how they are read: Secret, durations, and Fields, which lists the settings of a struct from its tags.
//
// A settings struct is a plain struct with tags:
//
//	URL  settings.Secret `yaml:"url" required:"true" doc:"where to send"`
//	Mode string          `yaml:"mode" enum:"thread,channel" doc:"…"`
//
// Its default values are those that its constructor has filled in.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Mask is what a secret prints as.
const Mask = "•••"

// MaxSecretFile bounds the size of a file that a reference names, in bytes.
const MaxSecretFile = 1 << 20

// Secret is a string that is never printed. It is written literally or with references, ${env:NAME} and ${file:PATH},
// and is resolved each time it is asked for, so that a file that is replaced (a rotated Kubernetes secret) takes effect
// without a reload. It is safe for concurrent use; copies share what they have read.
type Secret struct {
	s *secret
}

type secret struct {
	parts []part
	mu    sync.Mutex
	files map[string]fileValue // by path
}

// part is literal text, or a reference when kind is not empty.
type part struct{ kind, text string }

type fileValue struct {
	text    string
	modTime time.Time
	size    int64
}

// NewSecret returns a literal secret: no references are looked for.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&secret{parts: []part{{text: text}}}}
}

// ParseSecret reads a text with references. Relative paths in ${file:} start at dir.
func ParseSecret(text, dir string) (Secret, error) {
	if text == "" {
		return Secret{}, nil
	}
	parts, err := parse(text, dir)
	if err != nil {
		return Secret{}, err
	}
	return Secret{&secret{parts: parts, files: map[string]fileValue{}}}, nil
}

// Expand resolves the references of a text that is no secret.
func Expand(text, dir string) (string, error) {
	if !strings.Contains(text, "${") && !strings.Contains(text, "$$") {
		return text, nil
	}
	s, err := ParseSecret(text, dir)
	if err != nil {
		return "", err
	}
	return s.Value()
}

// parse splits a text into literals and references. "$${" stands for a literal "${".
func parse(text, dir string) ([]part, error) {
	var parts []part
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			parts = append(parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for text != "" {
		switch {
		case strings.HasPrefix(text, "$${"):
			literal.WriteString("${")
			text = text[3:]
		case strings.HasPrefix(text, "${"):
			end := strings.IndexByte(text, '}')
			kind, name, ok := "", "", false
			if end > 0 {
				kind, name, ok = strings.Cut(text[2:end], ":")
			}
			// The text itself may be secret, so that an error shows none of it.
			if !ok || name == "" || (kind != "env" && kind != "file") {
				return nil, errors.New("a reference is ${env:NAME} or ${file:PATH}; write $${ for a literal ${")
			}
			if kind == "file" && !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			flush()
			parts = append(parts, part{kind, name})
			text = text[end+1:]
		default:
			literal.WriteByte(text[0])
			text = text[1:]
		}
	}
	flush()
	return parts, nil
}

// IsZero reports whether the secret was not set at all.
func (s Secret) IsZero() bool { return s.s == nil }

// Literal reports whether the secret stands in the configuration itself rather than behind a reference.
func (s Secret) Literal() bool {
	if s.s == nil {
		return false
	}
	for _, p := range s.s.parts {
		if p.kind != "" {
			return false
		}
	}
	return true
}

// Value returns the secret, reading what it refers to. The error names the variable or file that is missing, and never
// holds a part of the secret.
func (s Secret) Value() (string, error) {
	if s.s == nil {
		return "", nil
	}
	if p := s.s.parts; len(p) == 1 && p[0].kind == "" {
		return p[0].text, nil
	}
	var b strings.Builder
	for _, p := range s.s.parts {
		switch p.kind {
		case "":
			b.WriteString(p.text)
		case "env":
			v, ok := os.LookupEnv(p.text)
			if !ok {
				return "", fmt.Errorf("environment variable %s is not set", p.text)
			}
			b.WriteString(v)
		case "file":
			v, err := s.s.file(p.text)
			if err != nil {
				return "", err
			}
			b.WriteString(v)
		}
	}
	return b.String(), nil
}

// file reads a file again only when its time or size has changed.
func (s *secret) file(path string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("secret file %s does not exist", path)
		}
		return "", fmt.Errorf("secret file: %w", err)
	}
	if v, ok := s.files[path]; ok && v.modTime.Equal(st.ModTime()) && v.size == st.Size() {
		return v.text, nil
	}
	if st.Size() > MaxSecretFile || !st.Mode().IsRegular() {
		return "", fmt.Errorf("secret file %s is not a regular file of at most %d bytes", path, MaxSecretFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret file: %w", err)
	}
	v := fileValue{strings.TrimRight(string(raw), "\r\n"), st.ModTime(), st.Size()}
	s.files[path] = v
	return v.text, nil
}

// String returns the mask, or nothing for a secret that is not set.
func (s Secret) String() string {
	if s.s == nil {
		return ""
	}
	return Mask
}

// GoString keeps %#v from printing the secret.
func (s Secret) GoString() string { return fmt.Sprintf("settings.Secret(%q)", s.String()) }

// Format keeps every verb from printing the secret.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = f.Write([]byte(s.GoString()))
		return
	}
	_, _ = f.Write([]byte(s.String()))
}

// MarshalText returns the mask: a secret is not written out again.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is what slog prints.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
