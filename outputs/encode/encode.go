package encode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-io/tocsin/finding"
)

// Format is one way to write a notification. All formats write one line.
type Format struct {
	Name        string
	Doc         string
	ContentType string
	Encode      func(v *View) ([]byte, error)
}

var formats = []Format{
	{Name: "json", Doc: "the notification as Tocsin has it", ContentType: "application/json", Encode: encodeJSON},
	{Name: "cloudevents", Doc: "CloudEvents 1.0, structured mode, with the notification as data", ContentType: "application/cloudevents+json", Encode: encodeCloudEvents},
	{Name: "ocsf", Doc: "OCSF " + ocsfVersion + " Detection Finding (class 2004)", ContentType: "application/json", Encode: encodeOCSF},
	{Name: "ecs", Doc: "Elastic Common Schema " + ecsVersion, ContentType: "application/json", Encode: encodeECS},
	{Name: "splunk", Doc: "an event of Splunk's HTTP Event Collector", ContentType: "application/json", Encode: encodeSplunk},
	{Name: "cef", Doc: "Common Event Format, version 0", ContentType: "text/plain; charset=utf-8", Encode: encodeCEF},
	{Name: "leef", Doc: "Log Event Extended Format 2.0, separated by tabs", ContentType: "text/plain; charset=utf-8", Encode: encodeLEEF},
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

// encodeJSON leaves the number of tries out: a retried message is the same, byte for byte. What came as JSON goes on as it is.
func encodeJSON(v *View) ([]byte, error) {
	if v.Notification.Body != nil {
		return v.Notification.Body, nil
	}
	n := *v.Notification
	n.Attempt = 0
	return marshal(&n)
}

func marshal(x any) ([]byte, error) {
	b, err := finding.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("encode notification: %w", err)
	}
	return b, nil
}
