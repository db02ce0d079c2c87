package event

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestIdentityJSON holds what is written by hand equal to what the struct tags say.
func TestIdentityJSON(t *testing.T) {
	parent := &Process{ExecID: "1:2:3", PID: 1, Comm: "in\"it\n", StartTime: 1<<64 - 1, Args: []string{"", "<a>&b", "\x01é\u2028"}}
	full := Process{
		ExecID: "7:8:9", PID: 7, PPID: 1, StartTime: 5, Comm: "sh", Executable: "/bin/sh", Args: []string{"sh"}, Cwd: "/", UID: 1, EUID: 2, User: "root",
		CapEff: 1<<41 - 1, ContainerID: "abc", Ancestors: []*Process{parent, {}},
	}
	pod := Kubernetes{PodName: "p", PodNamespace: "n", PodUID: "u", PodSandbox: true, Labels: map[string]string{"b": "1", "a": "2", "": "3"}}
	for _, x := range []any{&Process{}, parent, &full, &Container{}, &Container{"i", "n", "m", "d", "r"}, &Kubernetes{}, &pod} {
		var got []byte
		switch x := x.(type) {
		case *Process:
			got = AppendProcess(nil, x)
		case *Container:
			got = appendContainer(nil, x)
		case *Kubernetes:
			got = appendKubernetes(nil, x)
		}
		want, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var g, w any
		if err := json.Unmarshal(got, &g); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if err := json.Unmarshal(want, &w); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	// A field that comes to the structs must come to what is written by hand.
	for _, x := range []any{full, pod, Container{}} {
		want := map[string]int{"Process": 14, "Kubernetes": 5, "Container": 5}[reflect.TypeOf(x).Name()]
		if n := reflect.TypeOf(x).NumField(); n != want {
			t.Errorf("%T has %d fields, not %d: write the new one in identity.go", x, n, want)
		}
	}
}
