package finding

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// some fills any value at random, so that a field that AppendJSON does not know of is noticed.
func some(r *rand.Rand, v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*x = json.RawMessage([]string{"", `{"a":[1,"<é\n"]}`, "{\n \"a\": 1\r\n}", "true"}[r.IntN(4)])
		return
	case *time.Time:
		*x = time.Unix(r.Int64N(1<<33), r.Int64N(2)*r.Int64N(1e9)).In([]*time.Location{time.UTC, time.FixedZone("", 5400)}[r.IntN(2)])
		return
	case *Severity:
		*x = Severity(r.IntN(int(Critical) + 1))
		return
	}
	if r.IntN(4) == 0 {
		return // left out
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"plain", "", "quote \" back \\ slash", "<a href=\"x\">&amp;", "é ☃ \u2028", "not UTF-8: \xff\xfe", "tab\tline\nnul\x00del\x7f"}[r.IntN(7)])
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(r.Uint32()))
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{"text", json.Number("3"), 4, 2.5, true, []any{"a", json.Number("1"), nil}, map[string]any{"z": "<", "a": 1}}[r.IntN(7)]))
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			some(r, v.Elem(), depth-1)
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
			for i := range v.Len() {
				some(r, v.Index(i), depth-1)
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			some(r, key, depth)
			some(r, val, depth)
			v.SetMapIndex(key, val)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			some(r, v.Field(i), depth)
		}
	default:
		panic(v.Type().String())
	}
}

func TestAppendJSON(t *testing.T) {
	for seed := range uint64(5000) {
		var f Finding
		some(rand.New(rand.NewPCG(seed, 1)), reflect.ValueOf(&f).Elem(), 4)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(&f); err != nil {
			t.Fatal(err)
		}
		got, err := f.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(bytes.TrimSuffix(want.Bytes(), []byte("\n"))) {
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, got, want.Bytes())
		}
	}
}

func TestMarshalSingle(t *testing.T) {
	for seed := range uint64(500) {
		n := Notification{Kind: KindFinding, Findings: make([]Finding, 1)}
		r := rand.New(rand.NewPCG(seed, 1))
		for _, field := range []any{&n.ID, &n.Output, &n.Route, &n.Time, &n.Findings[0]} {
			some(r, reflect.ValueOf(field).Elem(), 2)
		}
		body, err := Marshal(&n.Findings[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := MarshalSingle(&n, body)
		want, wantErr := Marshal(&n)
		if err != nil || wantErr != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d:\n%s %v\nwant\n%s %v", seed, got, err, want, wantErr)
		}
	}
}

// same makes sure that Decode reads body as encoding/json does, and returns what it read.
func same(t *testing.T, body []byte) Finding {
	var want Finding
	wantErr := json.Unmarshal(body, &want)
	got, err := Decode(body)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n%+v %v\nwant\n%+v %v", body, got, err, want, wantErr)
	}
	return got
}

func TestDecode(t *testing.T) {
	for seed := range uint64(5000) {
		var f Finding
		some(rand.New(rand.NewPCG(seed, 1)), reflect.ValueOf(&f).Elem(), 4)
		body, err := Marshal(&f)
		if err != nil {
			t.Fatal(err)
		}
		same(t, body)
		same(t, body[:len(body)/2])
	}
	for _, body := range oddJSON {
		same(t, []byte(body))
	}
}

var oddJSON = []string{
	`{}`, `null`, `[]`, `{"id":"a"} x`, `{"id":"a",}`, `{"ID":"a","Rule":{"Name":"n"}}`, `{"id":null,"process":null,"attack":null}`, `{"id":1}`, `{"new":{"a":[1]},"id":"x"}`,
	`{"rule":{"id":"a","tags":["x"]},"rule":{"name":"b","tags":["y"]}}`, `{"process":{"pid":1},"process":{"ppid":2}}`, `{"attack":[{"tactic":{"id":"a"}}],"attack":[{}]}`,
	`{"process":{"pid":4294967296}}`, `{"process":{"pid":-1}}`, `{"process":{"pid":01}}`, `{"process":{"pid":1.0}}`, `{"process":{"pid":1e1}}`, `{"count":18446744073709551615}`, `{"count":99999999999999999999}`,
	`{"event":{"a":[1,-0.5e+3,true,null,"\u00e9\n"],"b":{}}, "data" : [ ] }`, `{"event":{"a":01}}`, `{"event":"\x"}`, `{"event":"\u12g4"}`, `{"event":[1,]}`, `{"event":tru}`, `{"event":}`, `{"event":null}`, `{"event":{1:2}}`,
	"{\"message\":\"a\nb\"}", "{\"message\":\"\xff\"}", `{"severity":"HIGH"}`, `{"severity":"no"}`, `{"severity":3}`, `{"time":"2026-01-02T03:04:05.5+01:00"}`, `{"time":"2026-01-02"}`,
	`{"rule":{"properties":{"a":1.5},"properties":{"b":null}}}`, `{"kubernetes":{"labels":{"a":"b"},"labels":{"c":"d"}}}`, `{"process":{"args":[],"ancestors":[{"ancestors":[{}]}],"startTime":null}}`,
	`{"id":"a" "host":"b"}`, `{"id" "a"}`, `{"id":"a`, `{"id":"\`, `{"id":"\ud83d\ude00\ud83d"}`, ` { "id" : "a" } `,
}

func FuzzDecode(f *testing.F) {
	for _, body := range oddJSON {
		f.Add([]byte(body))
	}
	for seed := range uint64(50) {
		var x Finding
		some(rand.New(rand.NewPCG(seed, 1)), reflect.ValueOf(&x).Elem(), 3)
		body, err := Marshal(&x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { same(t, body) })
}

// BenchmarkDecode has encoding/json beside it.
func BenchmarkDecode(b *testing.B) {
	started := time.Unix(1, 0).UTC()
	body, err := Marshal(&Finding{
		ID: NewID("h", "r", started, nil), Time: started, Cluster: "prod", Host: "node-1", Origin: "container", Source: "tocsin", Severity: High,
		Rule:        Rule{ID: "docker_socket", Name: "Docker socket", Description: "A container talks to the engine that runs it", Tags: []string{"linux", "container"}, Properties: map[string]any{"Severity": 3}},
		Attack:      []Attack{{Tactic: Ref{"TA0004", "Privilege Escalation"}, Technique: Ref{"T1611", "Escape to Host"}}},
		Fingerprint: strings.Repeat("0123", 8),
		Process: &Process{
			PID: 1234, PPID: 1, StartTime: &started, Name: "curl", Executable: "/usr/bin/curl", Args: []string{"curl", "--unix-socket", "/var/run/docker.sock", "http://x/"},
			Ancestors: []Process{{PID: 1, Name: "sh", Executable: "/bin/sh", Args: []string{"sh", "-c", "run"}}},
		},
		Container: &Container{ID: strings.Repeat("ab", 32), Name: "web", Image: "nginx:1"},
		Event:     json.RawMessage(`{"timestamp":1,"eventName":"security_socket_connect","args":[{"name":"remote_addr","type":"struct sockaddr*","value":{"sa_family":"AF_UNIX","sun_path":"/var/run/docker.sock"}}],"padding":"` + strings.Repeat("x", 300) + `"}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("tocsin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var f Finding
			if err := json.Unmarshal(body, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
