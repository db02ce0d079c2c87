package preset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

func init() {
	register(outputs.Spec{
		Name: "splunk_hec", Title: "Splunk HTTP Event Collector", Batch: 500,
		Doc: "Sends events to Splunk's HTTP Event Collector: the notification as the event, severity, rule and ATT&CK as indexed fields, " +
			"`tocsin:<kind>` as the source type. A token with indexer acknowledgement needs a `channel`.",
		Example: `splunk: {type: splunk_hec, url: https://hec:8088, token: "${env:HEC_TOKEN}", batch: {max: 500, wait: 1s}}`,
	}, splunk{})
	register(outputs.Spec{
		Name: "elasticsearch", Title: "Elasticsearch", Batch: 500,
		Doc: "Indexes documents with the bulk API. The id of a document is the notification's, so that a retry makes no second one. " +
			"The index may be a data stream; one that matches `logs-*-*` has Elastic's own mapping of the Elastic Common Schema.",
		Example: `elastic: {type: elasticsearch, url: https://elastic:9200, api_key: "${env:ELASTIC_API_KEY}"}`,
	}, bulk{Index: "logs-tocsin.alert-default", Format: "ecs"})
	register(outputs.Spec{
		Name: "opensearch", Title: "OpenSearch", Batch: 500,
		Doc:     "Indexes documents with the bulk API. The id of a document is the notification's, so that a retry makes no second one.",
		Example: `opensearch: {type: opensearch, url: https://opensearch:9200, username: tocsin, password: "${env:OPENSEARCH_PASSWORD}"}`,
	}, bulk{Index: "tocsin-alerts", Format: "ecs"})
	register(outputs.Spec{
		Name: "loki", Title: "Grafana Loki", Batch: 100,
		Doc:     "Pushes lines of JSON to Loki. The labels are few: those of the setting, `severity` and the cluster; everything else is in the line, for `| json`.",
		Example: `loki: {type: loki, url: http://loki:3100}`,
	}, loki{Labels: map[string]string{"job": "tocsin"}, Format: "json"})
	register(outputs.Spec{
		Name: "datadog", Title: "Datadog", Batch: 100,
		Doc:     "Sends logs to Datadog, in which severity is the status, and rule, ATT&CK and cluster are tags.",
		Example: `datadog: {type: datadog, api_key: "${env:DD_API_KEY}", site: datadoghq.eu}`,
	}, datadog{Site: "datadoghq.com", Service: "tocsin"})
}

// splunk speaks the HTTP Event Collector:
// https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector
type splunk struct {
	URL     settings.Secret `yaml:"url" required:"true" doc:"the collector" example:"https://hec:8088"`
	Token   settings.Secret `yaml:"token" required:"true" doc:"token of the collector" example:"${env:HEC_TOKEN}"`
	Index   string          `yaml:"index" doc:"index; by default the token's"`
	Channel string          `yaml:"channel" doc:"channel (a GUID), for a token with indexer acknowledgement"`
}

func (s *splunk) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *splunk) request(views []encode.View) (*request, error) {
	target, err := base(s.URL, "/services/collector/event")
	if err != nil {
		return nil, err
	}
	format, err := encode.Lookup("splunk")
	if err != nil {
		return nil, err
	}
	var body []byte
	for i := range views {
		raw, err := format.Encode(&views[i])
		if err != nil {
			return nil, outputs.Permanent(err)
		}
		if s.Index != "" { // an object is never empty, so that a further key can stand before the others
			body = append(body, `{"index":`+strconv.Quote(s.Index)+`,`...)
			raw = raw[1:]
		}
		body = append(append(body, raw...), '\n')
	}
	h := http.Header{}
	if s.Channel != "" {
		h.Set("X-Splunk-Request-Channel", s.Channel)
	}
	if err := bearer(h, "Authorization", "Splunk ", s.Token); err != nil {
		return nil, err
	}
	return &request{url: target, header: h, body: body, refused: func(answer []byte, err *httpclient.StatusError) error {
		var a struct{ Code int }
		if json.Unmarshal(answer, &a) != nil {
			return nil
		}
		switch a.Code { // the table "HTTP status codes" of the collector's manual
		case 7:
			return setup(err, "check index, and whether the token may write to it")
		case 10, 11:
			return setup(err, "the token wants indexer acknowledgement: set channel to a GUID")
		}
		return nil
	}}, nil
}

// bulk speaks the bulk API of Elasticsearch and OpenSearch:
// https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html
type bulk struct {
	URL    settings.Secret `yaml:"url" required:"true" doc:"the server" example:"https://elastic:9200"`
	Index  string          `yaml:"index" doc:"index, alias or data stream"`
	Format string          `yaml:"format" enum:"json,cloudevents,ocsf,ecs" doc:"form of the documents"`
	APIKey settings.Secret `yaml:"api_key" doc:"API key, base64 as Elasticsearch gives it; instead of username and password"`
	Basic  basic           `yaml:",inline"`
}

func (s *bulk) validate() error {
	var errs []error
	if s.Index == "" || strings.ContainsAny(s.Index, ` "*\<|,>/?#:`) || s.Index != strings.ToLower(s.Index) || strings.ContainsAny(s.Index[:1], "-_+.") {
		errs = append(errs, settings.Errorf("index", "%q is no name of an index: lower case, without spaces and special characters", s.Index))
	}
	if !s.APIKey.IsZero() && s.Basic.Username != "" {
		errs = append(errs, settings.Errorf("api_key", "api_key and username exclude each other"))
	}
	return errors.Join(append(errs, httpclient.CheckURL("url", s.URL))...)
}

func (s *bulk) request(views []encode.View) (*request, error) {
	// Of the answer only what is read comes back.
	target, err := base(s.URL, "/"+s.Index+"/_bulk")
	if err != nil {
		return nil, err
	}
	target += "?filter_path=" + url.QueryEscape("errors,items.*.status,items.*.error")
	format, err := encode.Lookup(s.Format)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	for i := range views {
		raw, err := format.Encode(&views[i])
		if err != nil {
			return nil, outputs.Permanent(err)
		}
		fmt.Fprintf(&body, "{\"create\":{\"_id\":%q}}\n%s\n", views[i].Notification.ID, raw)
	}
	h := http.Header{"Content-Type": {"application/x-ndjson"}}
	if err := errors.Join(s.Basic.add(h), bearer(h, "Authorization", "ApiKey ", s.APIKey)); err != nil {
		return nil, err
	}
	return &request{url: target, header: h, body: body.Bytes(), taken: func(answer []byte) error { return bulkResult(answer, len(views)) }}, nil
}

// bulkResult reads which documents were taken. One that exists already was taken by an earlier try.
func bulkResult(answer []byte, n int) error {
	var a struct {
		Errors *bool
		Items  []map[string]struct {
			Status int
			Error  struct{ Type, Reason string }
		}
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.Errors == nil {
		return errors.New("the answer is none of a bulk API: check url")
	}
	if !*a.Errors {
		return nil
	}
	if len(a.Items) != n {
		return fmt.Errorf("the answer tells of %d documents, %d were sent", len(a.Items), n)
	}
	errs := make([]error, n)
	for i, item := range a.Items {
		for _, r := range item {
			if r.Status/100 == 2 || r.Status == http.StatusConflict {
				continue
			}
			err := fmt.Errorf("document refused with %d %s: %s", r.Status, httpclient.Printable(r.Error.Type), httpclient.Printable(r.Error.Reason))
			if r.Status == http.StatusBadRequest {
				err = outputs.Permanent(err)
			}
			errs[i] = err
		}
	}
	return outputs.Collect(errs)
}

// loki speaks the push API: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
type loki struct {
	URL    settings.Secret   `yaml:"url" required:"true" doc:"the server" example:"http://loki:3100"`
	Labels map[string]string `yaml:"labels" doc:"labels of the streams, beside severity and cluster; few, and with few values"`
	Format string            `yaml:"format" enum:"json,cloudevents,ocsf,ecs" doc:"form of a line"`
	Tenant string            `yaml:"tenant" doc:"tenant, sent as X-Scope-OrgID"`
	Token  settings.Secret   `yaml:"token" doc:"bearer token; instead of username and password"`
	Basic  basic             `yaml:",inline"`
}

func (s *loki) validate() error {
	var errs []error
	if !s.Token.IsZero() && s.Basic.Username != "" {
		errs = append(errs, settings.Errorf("token", "token and username exclude each other"))
	}
	for k := range s.Labels {
		if !labelName(k) {
			errs = append(errs, settings.Errorf("labels."+k, "%q is no name of a label: letters, digits and _", k))
		}
	}
	return errors.Join(append(errs, httpclient.CheckURL("url", s.URL))...)
}

// labelName is Prometheus' grammar of labels, which Loki and Alertmanager share.
func labelName(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

type lokiStream struct {
	Stream map[string]string `json:"stream"`
	Values [][2]string       `json:"values"`
}

func (s *loki) request(views []encode.View) (*request, error) {
	target, err := base(s.URL, "/loki/api/v1/push")
	if err != nil {
		return nil, err
	}
	format, err := encode.Lookup(s.Format)
	if err != nil {
		return nil, err
	}
	var streams []lokiStream
	at := map[string]int{}
	for i := range views {
		v := &views[i]
		line, err := format.Encode(v)
		if err != nil {
			return nil, outputs.Permanent(err)
		}
		key := v.Severity.String() + "\x00" + v.Cluster
		if _, ok := at[key]; !ok {
			labels := map[string]string{"severity": v.Severity.String()}
			if v.Cluster != "" {
				labels["cluster"] = v.Cluster
			}
			for k, x := range s.Labels {
				labels[k] = x
			}
			at[key] = len(streams)
			streams = append(streams, lokiStream{Stream: labels})
		}
		st := &streams[at[key]]
		st.Values = append(st.Values, [2]string{strconv.FormatInt(v.LastSeen.UnixNano(), 10), string(line)})
	}
	for _, st := range streams {
		slices.SortStableFunc(st.Values, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	}
	h := http.Header{}
	if s.Tenant != "" {
		h.Set("X-Scope-OrgID", s.Tenant)
	}
	if err := errors.Join(s.Basic.add(h), bearer(h, "Authorization", "Bearer ", s.Token)); err != nil {
		return nil, err
	}
	return post(target, h, object{"streams": streams})
}

// datadog speaks the logs intake: https://docs.datadoghq.com/api/latest/logs/#send-logs
type datadog struct {
	APIKey  settings.Secret `yaml:"api_key" required:"true" doc:"API key" example:"${env:DD_API_KEY}"`
	Site    string          `yaml:"site" doc:"Datadog's site that the account is at" example:"datadoghq.eu"`
	Service string          `yaml:"service" doc:"service of the logs"`
	Tags    []string        `yaml:"tags" doc:"further tags" example:"[env:prod]"`
	URL     settings.Secret `yaml:"url" doc:"the intake, instead of that of the site"`
}

func (s *datadog) validate() error {
	if s.URL.IsZero() {
		if strings.Contains(s.Site, ".") && !strings.ContainsAny(s.Site, "/:@?# ") {
			return nil
		}
		return settings.Errorf("site", "%q is no site: write datadoghq.com, datadoghq.eu, …", s.Site)
	}
	return httpclient.CheckURL("url", s.URL)
}

var datadogStatus = [...]string{"info", "notice", "warning", "error", "critical"}

func (s *datadog) request(views []encode.View) (*request, error) {
	server := s.URL
	if server.IsZero() {
		server = settings.NewSecret("https://http-intake.logs." + s.Site)
	}
	target, err := base(server, "/api/v2/logs")
	if err != nil {
		return nil, err
	}
	logs := make([]object, len(views))
	for i := range views {
		v := &views[i]
		tags := append(slices.Clone(s.Tags), "rule:"+v.Rule.ID, "kind:"+string(v.Kind), "severity:"+v.Severity.String())
		if v.Cluster != "" {
			tags = append(tags, "cluster:"+v.Cluster)
		}
		for _, r := range v.Precise() {
			tags = append(tags, "technique:"+r.ID)
		}
		for j := range tags { // a comma would begin another tag
			tags[j] = strings.ReplaceAll(tags[j], ",", "_")
		}
		n := *v.Notification
		n.Attempt = 0
		logs[i] = object{
			"ddsource": "tocsin", "service": s.Service, "ddtags": strings.Join(tags, ","), "message": v.Text, "status": datadogStatus[min(v.Severity, 4)],
			"timestamp": v.LastSeen.UnixMilli(), "tocsin": &n,
		}
		if v.Host != "" {
			logs[i]["hostname"] = v.Host
		}
	}
	h := http.Header{}
	if err := bearer(h, "DD-API-KEY", "", s.APIKey); err != nil {
		return nil, err
	}
	return post(target, h, logs)
}
