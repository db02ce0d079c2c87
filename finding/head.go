package finding

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// head is what a notification begins with.
type head struct {
	ID     string    `json:"id"`
	Kind   Kind      `json:"kind"`
	Output string    `json:"output"`
	Route  string    `json:"route"`
	Time   time.Time `json:"time"`
	Alert  *struct {
		ID string `json:"id"`
	} `json:"alert"`
}

// DecodeHead decodes a notification's JSON so far as whoever passes it on must know it: ID, Kind, Output, Route, Time, and
// of the alert the ID. Body is the JSON. A whole notification takes many times as long.
func DecodeHead(body []byte) (Notification, error) {
	var h head
	// The findings come last and are most of it. Where this is not their beginning but part of another's text, what is
	// before is no JSON.
	i := bytes.Index(body, []byte(`,"findings":[`))
	if i < 0 || json.Unmarshal(append(body[:i:i], '}'), &h) != nil {
		h = head{}
		if err := json.Unmarshal(body, &h); err != nil {
			return Notification{}, fmt.Errorf("decode notification: %w", err)
		}
	}
	n := Notification{ID: h.ID, Kind: h.Kind, Output: h.Output, Route: h.Route, Time: h.Time, Body: body}
	if h.Alert != nil {
		n.Alert = &Alert{ID: h.Alert.ID}
	}
	return n, nil
}
