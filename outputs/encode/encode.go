package encode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Format is one way to write a notification.
type Format struct {
	Name        string
	Doc         string
	ContentType string
	Encode      func(v *View) ([]byte, error)
	// Line reports that a message is one line of text, fit for syslog.
	Line bool
}

// Version is Tocsin's, as receivers see it in the formats that name the product.
var Version = "dev"

var formats = []Format{
	{Name: "json", Doc: "the notification as Tocsin has it", ContentType: "application/json", Line: true, Encode: encodeJSON},
}

// Lookup finds a format; the empty name is json.
func Lookup(name string) (Format, error) {
	if name == "" {
		name = "json"
	}
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("unknown format %q: use %s", name, strings.Join(Names(), ", "))
}

// Formats lists all formats.
func Formats() []Format { return slices.Clone(formats) }

// Names lists the names of all formats.
func Names() []string {
	out := make([]string, len(formats))
	for i, f := range formats {
		out[i] = f.Name
	}
	return out
}

// encodeJSON leaves the number of tries out: a retried message is the same, byte for byte.
func encodeJSON(v *View) ([]byte, error) {
	n := *v.Notification
	n.Attempt = 0
	return marshal(&n)
}

// marshal writes JSON without escaping <, > and &: receivers are no web pages, and people read it.
func marshal(x any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(x); err != nil {
		return nil, fmt.Errorf("encode notification: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
