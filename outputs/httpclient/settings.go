package httpclient

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"

	"golang.org/x/net/http/httpguts"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// CheckURL makes sure that a secret holds an http or https URL, without showing it.
func CheckURL(field string, s settings.Secret) error {
	text, err := s.Value()
	if err != nil {
		return settings.Errorf(field, "%v", err)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return settings.Errorf(field, "must be a URL that starts with http:// or https://")
	}
	return nil
}

// Headers are the headers that a configuration adds to requests.
type Headers map[string]settings.Secret

// Check finds names that HTTP does not allow and those that the output sets by itself.
func (h Headers) Check(reserved ...string) error {
	for k := range h {
		if !httpguts.ValidHeaderFieldName(k) {
			return settings.Errorf("headers", "%q is no name of a header", k)
		}
		name := textproto.CanonicalMIMEHeaderKey(k)
		if name == "Host" || name == "Content-Length" || slices.Contains(reserved, name) {
			return settings.Errorf("headers."+k, "%s is set by the output itself", name)
		}
	}
	return nil
}

// Add reads the values and adds them to a request's headers.
func (h Headers) Add(to http.Header) error {
	for k, v := range h {
		text, err := v.Value()
		if err != nil {
			return fmt.Errorf("header %s: %w", k, err)
		}
		if !httpguts.ValidHeaderFieldValue(text) {
			return fmt.Errorf("header %s has a value that HTTP does not allow", k)
		}
		to.Set(k, text)
	}
	return nil
}
