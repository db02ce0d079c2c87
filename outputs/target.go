package outputs

import (
	"net/url"
	"reflect"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// Target says in short where an output sends to: the host and the channel, whichever its settings have. Of a URL only
// scheme and host are told, since what follows is often the secret itself.
func Target(s any) string {
	v := reflect.Indirect(reflect.ValueOf(s))
	if v.Kind() != reflect.Struct {
		return ""
	}
	var host, channel string
	for _, f := range settings.FieldsOf(v.Type()) {
		switch value := v.FieldByIndex(f.Index).Interface(); f.Name {
		case "url":
			if secret, ok := value.(settings.Secret); ok {
				text, _ := secret.Value() // one that cannot be read has no host to tell
				host = hostOf(text)
			}
		case "addr":
			host, _ = value.(string)
		case "site":
			if site, _ := value.(string); host == "" {
				host = site
			}
		case "channel", "chat_id":
			channel, _ = value.(string)
		}
	}
	if host != "" && channel != "" {
		return channel + " at " + host
	}
	return host + channel
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
