package encode_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sebdah/goldie/v2"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

func view(n *finding.Notification) encode.View {
	return encode.NewView(n, "1.0.0", func(id string) string { return "https://tocsin.example/alerts/" + id })
}

// Golden files; go test ./outputs/encode -update writes them, a reviewer reads them.
func TestGolden(t *testing.T) {
	g := goldie.New(t, goldie.WithFixtureDir("testdata/golden"), goldie.WithNameSuffix(""))
	for _, f := range encode.Formats() {
		for _, kind := range outputtest.Kinds {
			n := outputtest.Notification(kind, 1)
			v := view(&n)
			raw, err := f.Encode(&v)
			if err != nil {
				t.Fatalf("%s %s: %v", f.Name, kind, err)
			}
			if bytes.ContainsAny(raw, "\n\r") {
				t.Errorf("%s %s: more than one line", f.Name, kind)
			}
			name := f.Name + "/" + string(kind) + ".txt"
			if strings.Contains(f.ContentType, "json") {
				var b bytes.Buffer
				if err := json.Indent(&b, raw, "", "  "); err != nil {
					t.Fatalf("%s %s: %v", f.Name, kind, err)
				}
				raw, name = b.Bytes(), f.Name+"/"+string(kind)+".json"
			}
			g.Assert(t, name, append(raw, '\n'))
		}
	}
}

// A retry is the same message, byte for byte, whatever the number of tries.
func TestRetriedIsTheSame(t *testing.T) {
	for _, f := range encode.Formats() {
		n := outputtest.Notification(finding.KindAlert, 1)
		v := view(&n)
		a, err := f.Encode(&v)
		if err != nil {
			t.Fatal(err)
		}
		n.Attempt = 3
		v = view(&n)
		b, err := f.Encode(&v)
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: a retry differs", f.Name)
		}
	}
}

// What must hold for OCSF whatever the finding.
func TestOCSFRequired(t *testing.T) {
	f, _ := encode.Lookup("ocsf")
	for i, kind := range outputtest.Kinds {
		n := outputtest.Notification(kind, i)
		v := view(&n)
		raw, err := f.Encode(&v)
		if err != nil {
			t.Fatal(err)
		}
		var o struct {
			ActivityID  int `json:"activity_id"`
			CategoryUID int `json:"category_uid"`
			ClassUID    int `json:"class_uid"`
			TypeUID     int `json:"type_uid"`
			SeverityID  int `json:"severity_id"`
			Time        int64
			Metadata    struct {
				Version string
				Product struct{ Name string }
			}
			FindingInfo struct{ UID, Title string } `json:"finding_info"`
		}
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		if o.CategoryUID != 2 || o.ClassUID != 2004 || o.TypeUID != 200400+o.ActivityID || o.SeverityID < 1 || o.SeverityID > 5 || o.Time < 1e12 ||
			o.Metadata.Version == "" || o.Metadata.Product.Name == "" || o.FindingInfo.UID == "" || o.FindingInfo.Title == "" {
			t.Errorf("%s: %s", kind, raw)
		}
	}
}

// parseCEF reads CEF as its guide says: | and \ are escaped in the header, = and \ in values.
func parseCEF(s string) (header []string, ext map[string]string) {
	s, ok := strings.CutPrefix(s, "CEF:0|")
	if !ok {
		return nil, nil
	}
	var cur strings.Builder
	i := 0
	for ; i < len(s) && len(header) < 6; i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			cur.WriteByte(s[i])
		case s[i] == '|':
			header = append(header, cur.String())
			cur.Reset()
		default:
			cur.WriteByte(s[i])
		}
	}
	ext = map[string]string{}
	rest := s[i:]
	key := regexp.MustCompile(`(?:^| )(\w+)=`)
	at := key.FindAllStringSubmatchIndex(rest, -1)
	for j, m := range at {
		end := len(rest)
		if j+1 < len(at) {
			end = at[j+1][0]
		}
		ext[rest[m[2]:m[3]]] = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r").Replace(rest[m[1]:end])
	}
	return header, ext
}

func TestCEFReadsBack(t *testing.T) {
	f, _ := encode.Lookup("cef")
	n := outputtest.Notification(finding.KindAlert, 1)
	n.Alert.Rule.Name, n.Alert.Message = `a|b\c`, "x=1 y\\=2\nz|"
	v := view(&n)
	raw, _ := f.Encode(&v)
	header, ext := parseCEF(string(raw))
	if want := []string{"Tocsin", "Tocsin", "1.0.0", "container_escape", `a|b\c`, "8"}; !slices.Equal(header, want) {
		t.Errorf("header %q", header)
	}
	if ext["msg"] != n.Alert.Message || ext["cs1"] != "T1611,T1055.008" || ext["cs1Label"] != "technique" || ext["dvchost"] != "node-7" {
		t.Errorf("%q", ext)
	}
}

// Whatever stands in a finding, every format gives one line that reads back.
func FuzzFormats(f *testing.F) {
	f.Add("rule", "na|me=\\", "te\txt\n\x00", "host")
	f.Fuzz(func(t *testing.T, rule, name, text, host string) {
		n := outputtest.Notification(finding.KindAlert, 1)
		n.Alert.Rule.ID, n.Alert.Rule.Name, n.Alert.Message, n.Alert.Host = rule, name, text, host
		v := view(&n)
		for _, x := range encode.Formats() {
			raw, err := x.Encode(&v)
			if err != nil {
				t.Fatalf("%s: %v", x.Name, err)
			}
			if bytes.ContainsAny(raw, "\n\r\x00") {
				t.Errorf("%s: more than one line: %q", x.Name, raw)
			}
			switch {
			case strings.Contains(x.ContentType, "json"):
				if !json.Valid(raw) {
					t.Errorf("%s: invalid JSON", x.Name)
				}
			case x.Name == "cef":
				if h, _ := parseCEF(string(raw)); len(h) != 6 {
					t.Errorf("header %q of %q", h, raw)
				}
			case x.Name == "leef":
				if parts := strings.SplitN(string(raw), "|", 7); len(parts) != 7 || parts[5] != "x09" {
					t.Errorf("%q", raw)
				}
			}
		}
	})
}

func TestViewOfTest(t *testing.T) {
	n := outputtest.Notification(finding.KindTest, 1)
	if v := view(&n); v.Title == "" || v.Text == "" || v.Rule.ID == "" {
		t.Errorf("%+v", v)
	}
}
