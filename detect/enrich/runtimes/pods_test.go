package runtimes

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/event"
)

// pod is one as the API server and the kubelet write it (Kubernetes 1.34).
func podJSON(name, uid, status string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"shop","uid":%q,"resourceVersion":"7","labels":{"app":"web","pod-template-hash":"abc"},
		"ownerReferences":[{"kind":"ReplicaSet","name":"web"}]},"spec":{"nodeName":"n1","containers":[{"name":"web"}]},"status":{"phase":"Running",%s}}`, name, uid, status)
}

func webStatus(id string) string {
	return `"containerStatuses":[{"name":"web","state":{"running":{}},"ready":true,"image":"docker.io/library/nginx:1.27",
		"imageID":"docker.io/library/nginx@sha256:0123","containerID":"containerd://` + id + `"}],
		"initContainerStatuses":[{"name":"setup","image":"busybox","imageID":"","containerID":"cri-o://` + strings.Repeat("d", 64) + `"},{"name":"later","image":"busybox"}]`
}

// kubernetes serves the lists of pods over TLS, with a token, in pages of one pod where the API server is asked.
func kubernetes(t *testing.T, lists *atomic.Int32) (*httptest.Server, Kubernetes) {
	pods := []string{podJSON("web-0", podUID, webStatus(webID)), podJSON("web-1", "u2", webStatus(strings.Repeat("e", 64)))}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		case r.URL.Path == "/pods":
			lists.Add(1)
			fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[%s]}`, strings.Join(pods, ","))
		case r.URL.Path != "/api/v1/pods" || q.Get("fieldSelector") != "spec.nodeName=n1":
			http.NotFound(w, r)
		case q.Get("continue") == "":
			lists.Add(1)
			fmt.Fprintf(w, `{"kind":"PodList","metadata":{"resourceVersion":"9","continue":"next page"},"items":[%s]}`, pods[0])
		case q.Get("continue") == "next page":
			fmt.Fprintf(w, `{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[%s]}`, pods[1])
		}
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	k := Kubernetes{Node: "n1", URL: s.URL, Token: filepath.Join(dir, "token"), CA: filepath.Join(dir, "ca.crt")}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := errors.Join(os.WriteFile(k.Token, []byte("secret\n"), 0o600), os.WriteFile(k.CA, ca, 0o600)); err != nil {
		t.Fatal(err)
	}
	return s, k
}

func TestPods(t *testing.T) {
	for _, who := range []string{"API server", "kubelet"} {
		t.Run(who, func(t *testing.T) {
			var lists atomic.Int32
			s, k := kubernetes(t, &lists)
			if who == "kubelet" {
				k.Kubelet = s.URL
			}
			r := newResolver(t, Options{CRI: off, Docker: off, Kubernetes: &k})
			c, pod, err := r.Resolve(t.Context(), webID)
			if err != nil {
				t.Fatal(err)
			}
			if want := (event.Container{Name: "web", Image: "docker.io/library/nginx:1.27", ImageDigest: "sha256:0123", Runtime: "containerd"}); c != want {
				t.Errorf("%+v", c)
			}
			if pod.PodName != "web-0" || pod.PodNamespace != "shop" || pod.PodUID != podUID || !maps.Equal(pod.Labels, map[string]string{"app": "web", "pod-template-hash": "abc"}) {
				t.Errorf("%+v", pod)
			}
			if c, pod, err := r.Resolve(t.Context(), strings.Repeat("d", 64)); err != nil || c.Runtime != "crio" || c.Name != "setup" || pod.PodName == "" {
				t.Errorf("init container: %+v %+v %v", c, pod, err)
			}
			for range 20 { // unknown containers do not make a storm of requests
				if _, _, err := r.Resolve(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, ErrUnknown) {
					t.Fatalf("unknown container: %v", err)
				}
			}
			if n := lists.Load(); n > 2 {
				t.Errorf("%d lists", n)
			}
		})
	}
}

// What the runtime tells stays, and Kubernetes adds the pod.
func TestPodsBesideARuntime(t *testing.T) {
	var lists atomic.Int32
	_, k := kubernetes(t, &lists)
	docker := startDocker(t)
	r := newResolver(t, Options{CRI: off, Docker: docker, Kubernetes: &k})
	c, pod, err := r.Resolve(t.Context(), webID)
	if err != nil || c.Runtime != "docker" || c.Name != "web-1" || pod.PodName != "web-0" {
		t.Errorf("%+v %+v %v", c, pod, err)
	}
	if r := newResolver(t, Options{CRI: startCRI(t), Docker: off, Kubernetes: &k}); true {
		lists.Store(0)
		if _, pod, err := r.Resolve(t.Context(), webID); err != nil || !reflect.DeepEqual(pod.Labels, map[string]string{"app": "web"}) || lists.Load() != 0 {
			t.Errorf("a runtime that tells of the pod: %+v %v, %d lists", pod, err, lists.Load())
		}
	}
}

func TestPodsErrors(t *testing.T) {
	var lists atomic.Int32
	_, k := kubernetes(t, &lists)
	wrong := k
	wrong.Token = filepath.Join(t.TempDir(), "none")
	if _, _, err := newResolver(t, Options{CRI: off, Docker: off, Kubernetes: &wrong}).Resolve(t.Context(), webID); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a token: %v", err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, bad := range []Kubernetes{{}, {URL: "10.0.0.1"}, {URL: "https://127.0.0.1:10250", CA: "/nowhere"}} {
		if _, err := New(Options{Kubernetes: &bad}); err == nil || !strings.Contains(err.Error(), "sensor.kubernetes.") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	// A kubelet that hangs is given up.
	stop := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(func() { close(stop); hang.Close() })
	r := newResolver(t, Options{CRI: off, Docker: off, Kubernetes: &Kubernetes{Kubelet: hang.URL}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := r.Resolve(ctx, webID); err == nil {
		t.Error("an answer of a kubelet that does not answer")
	}
}

func FuzzPodList(f *testing.F) {
	f.Add([]byte(`{"items":[` + podJSON("web-0", podUID, webStatus(webID)) + `]}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var l podList
		if json.Unmarshal(b, &l) == nil {
			l.containers(map[string]podContainer{})
		}
	})
}
