package preset

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

func init() {
	register(outputs.Spec{
		Name: "pagerduty", Title: "PagerDuty",
		Doc: "Sends events to PagerDuty (Events API v2). The alert's id is the `dedup_key`: updates go to the same incident, " +
			"closing an alert in Tocsin resolves it, and news of an alert that was acknowledged in Tocsin acknowledge it.",
		Example: `oncall: {type: pagerduty, routing_key: "${env:PAGERDUTY_KEY}"}`,
	}, pagerduty{URL: settings.NewSecret("https://events.pagerduty.com/v2/enqueue")})
	register(outputs.Spec{
		Name: "opsgenie", Title: "Opsgenie",
		Doc: "Creates alerts in Opsgenie. The alert's id is the `alias`: updates count on the same alert, " +
			"closing an alert in Tocsin closes it, and news of an alert that was acknowledged in Tocsin acknowledge it.",
		Example: `oncall: {type: opsgenie, api_key: "${env:OPSGENIE_KEY}", url: https://api.eu.opsgenie.com}`,
	}, opsgenie{URL: settings.NewSecret("https://api.opsgenie.com")})
	register(outputs.Spec{
		Name: "alertmanager", Title: "Prometheus Alertmanager", Batch: 64,
		Doc: "Posts alerts to Alertmanager, with labels for what identifies them and everything else in annotations. Alertmanager is made for states: an alert " +
			"is firing from its first finding until it is closed, or until nothing new came for `resolve_after`.",
		Example: `am: {type: alertmanager, url: http://alertmanager:9093}`,
	}, alertmanager{ResolveAfter: 24 * time.Hour})
}

// pagerduty speaks the Events API v2: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
type pagerduty struct {
	RoutingKey settings.Secret `yaml:"routing_key" required:"true" doc:"integration key of the service" example:"${env:PAGERDUTY_KEY}"`
	URL        settings.Secret `yaml:"url" doc:"the API; for a European account https://events.eu.pagerduty.com/v2/enqueue"`
}

func (s *pagerduty) validate() error { return httpclient.CheckURL("url", s.URL) }

// Limits of the Events API, in characters.
const (
	maxSummary  = 1024
	maxDedupKey = 255
)

func (s *pagerduty) request(views []encode.View) (*request, error) {
	v := &views[0]
	target, err := s.URL.Value()
	if err != nil {
		return nil, err
	}
	key, err := s.RoutingKey.Value()
	if err != nil {
		return nil, err
	}
	body := object{"routing_key": strings.TrimSpace(key), "dedup_key": cut(v.UID, maxDedupKey), "event_action": "trigger"}
	switch {
	case v.Kind == finding.KindClosed:
		body["event_action"] = "resolve"
	case v.Status == finding.Acknowledged && v.Kind == finding.KindUpdate:
		body["event_action"] = "acknowledge"
	default:
		payload := object{
			"summary": cut(clean(v.Title+": "+v.Text), maxSummary), "source": either(v.Host, "tocsin"), "timestamp": v.LastSeen.UTC().Format(time.RFC3339Nano),
			"severity": [...]string{"info", "info", "warning", "error", "critical"}[min(v.Severity, 4)], "class": v.Rule.ID, "custom_details": details(v),
		}
		if v.Process != nil {
			payload["component"] = v.Process.Name
		}
		if v.Cluster != "" {
			payload["group"] = v.Cluster
		}
		body["payload"], body["client"] = payload, "Tocsin"
		if v.URL != "" {
			body["client_url"] = v.URL
		}
	}
	return post(target, nil, body)
}

// details are the facts under names that are those of labels, for machines: Alertmanager takes no others.
func details(v *encode.View) map[string]string {
	out := map[string]string{"notification": v.Notification.ID, "kind": string(v.Kind), "severity": v.Severity.String(), "count": strconv.FormatUint(v.Count, 10)}
	var alerts []string
	for _, f := range facts(v) {
		if v.Kind == finding.KindDigest {
			alerts = append(alerts, clean(f.name)+": "+f.value)
		} else {
			out[strings.NewReplacer(" ", "_", "&", "a").Replace(strings.ToLower(f.name))] = f.value
		}
	}
	if alerts != nil {
		out["alerts"] = strings.Join(alerts, "\n")
	}
	if v.Rule.Response != "" {
		out["response"] = v.Rule.Response
	}
	return out
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// opsgenie speaks the alert API: https://docs.opsgenie.com/docs/alert-api
type opsgenie struct {
	APIKey     settings.Secret `yaml:"api_key" required:"true" doc:"key of an API integration" example:"${env:OPSGENIE_KEY}"`
	URL        settings.Secret `yaml:"url" doc:"the API; for a European account https://api.eu.opsgenie.com"`
	Responders []string        `yaml:"responders" doc:"names of the teams that are told; by default as the integration says"`
	Tags       []string        `yaml:"tags" doc:"further tags"`
}

func (s *opsgenie) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *opsgenie) request(views []encode.View) (*request, error) {
	v := &views[0]
	target, err := base(s.URL, "/v2/alerts")
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	if err := bearer(h, "Authorization", "GenieKey ", s.APIKey); err != nil {
		return nil, err
	}
	action := ""
	switch {
	case v.Kind == finding.KindClosed:
		action = "close"
	case v.Status == finding.Acknowledged && v.Kind == finding.KindUpdate:
		action = "acknowledge"
	}
	if action != "" {
		return post(target+"/"+url.PathEscape(v.UID)+"/"+action+"?identifierType=alias", h, object{"source": "tocsin", "note": cut(story(v), 25000)})
	}
	body := object{
		"message": cut(clean(v.Title), 130), "alias": cut(v.UID, 512), "description": cut(v.Text+"\n\n"+v.Rule.Description, 15000), "source": "tocsin",
		"entity": cut(either(v.Host, "tocsin"), 512), "priority": "P" + strconv.Itoa(5-int(min(v.Severity, 4))), "details": details(v),
	}
	tags := append([]string{v.Rule.ID}, s.Tags...)
	for _, r := range v.Precise() {
		tags = append(tags, r.ID)
	}
	body["tags"] = tags[:min(len(tags), 20)]
	if len(s.Responders) > 0 {
		teams := make([]object, len(s.Responders))
		for i, name := range s.Responders {
			teams[i] = object{"type": "team", "name": name}
		}
		body["responders"] = teams
	}
	return post(target, h, body)
}

// alertmanager speaks its API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
type alertmanager struct {
	URL          settings.Secret   `yaml:"url" required:"true" doc:"the server" example:"http://alertmanager:9093"`
	Labels       map[string]string `yaml:"labels" doc:"further labels" example:"{team: security}"`
	ResolveAfter time.Duration     `yaml:"resolve_after" doc:"how long an alert fires without news"`
	Token        settings.Secret   `yaml:"token" doc:"bearer token; instead of username and password"`
	Basic        basic             `yaml:",inline"`
}

func (s *alertmanager) validate() error {
	var errs []error
	if s.ResolveAfter < time.Minute {
		errs = append(errs, settings.Errorf("resolve_after", "must be a minute or more"))
	}
	for k := range s.Labels {
		if !labelName(k) {
			errs = append(errs, settings.Errorf("labels."+k, "%q is no name of a label: letters, digits and _", k))
		}
	}
	return errors.Join(append(errs, httpclient.CheckURL("url", s.URL))...)
}

func (s *alertmanager) request(views []encode.View) (*request, error) {
	target, err := base(s.URL, "/api/v2/alerts")
	if err != nil {
		return nil, err
	}
	alerts := make([]object, len(views))
	for i := range views {
		v := &views[i]
		labels := map[string]string{}
		set := func(k, value string) {
			if value = strings.ToValidUTF8(value, "�"); value != "" { // an empty label is none
				labels[k] = value
			}
		}
		for k, x := range s.Labels {
			set(k, x)
		}
		set("alertname", v.Rule.ID)
		set("severity", v.Severity.String())
		set("cluster", v.Cluster)
		set("host", v.Host)
		if v.Container != nil {
			set("container", either(v.Container.Name, v.Container.ID[:min(len(v.Container.ID), 12)]))
		}
		if v.Kubernetes != nil {
			set("namespace", v.Kubernetes.Namespace)
			set("pod", v.Kubernetes.PodName)
		}
		annotations := details(v)
		annotations["summary"], annotations["description"] = v.Title, v.Text
		ends := v.Time.Add(s.ResolveAfter)
		if v.Kind == finding.KindClosed {
			ends = v.Time
		}
		alerts[i] = object{"labels": labels, "annotations": annotations, "startsAt": v.FirstSeen.UTC().Format(time.RFC3339Nano), "endsAt": ends.UTC().Format(time.RFC3339Nano)}
		if v.URL != "" {
			alerts[i]["generatorURL"] = v.URL
		}
	}
	h := http.Header{}
	if err := errors.Join(s.Basic.add(h), bearer(h, "Authorization", "Bearer ", s.Token)); err != nil {
		return nil, err
	}
	return post(target, h, alerts)
}
