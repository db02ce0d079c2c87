package runtimes

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
)

const (
	webID     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sandboxID = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	podUID    = "8d3ea4a2-7b1e-4a39-9c0f-0a1b2c3d4e5f"
)

// criServer answers like containerd: neither containerd nor CRI-O can run here.
type criServer struct {
	cri.UnimplementedRuntimeServiceServer
}

func (criServer) ContainerStatus(_ context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	if r.ContainerId != webID {
		return nil, status.Errorf(codes.NotFound, "an error occurred when try to find container %q: not found", r.ContainerId)
	}
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{
		Id: webID, Metadata: &cri.ContainerMetadata{Name: "web"},
		Image:    &cri.ImageSpec{Image: "docker.io/library/nginx:1.27"},
		ImageRef: "docker.io/library/nginx@sha256:0123",
		Labels:   map[string]string{labelPod: "web-0", labelNamespace: "shop", labelPodUID: podUID, labelContainer: "web"},
	}}, nil
}

func (criServer) ListPodSandbox(_ context.Context, r *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	if r.Filter.LabelSelector[labelPodUID] != podUID {
		return &cri.ListPodSandboxResponse{}, nil
	}
	return &cri.ListPodSandboxResponse{Items: []*cri.PodSandbox{{Id: sandboxID, Labels: map[string]string{"app": "web", labelPodUID: podUID}}}}, nil
}

func (criServer) PodSandboxStatus(_ context.Context, r *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	if r.PodSandboxId != sandboxID {
		return nil, status.Error(codes.NotFound, "not found")
	}
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{
		Id: sandboxID, Metadata: &cri.PodSandboxMetadata{Name: "web-0", Namespace: "shop", Uid: podUID}, Labels: map[string]string{"app": "web"},
	}}, nil
}

func newResolver(t *testing.T, o Options) *Resolver {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func startCRI(t *testing.T) string {
	socket := filepath.Join(t.TempDir(), "containerd.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(s, criServer{})
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return socket
}

func TestCRI(t *testing.T) {
	r := newResolver(t, Options{CRI: "unix://" + startCRI(t), Docker: off})
	c, k, err := r.Resolve(t.Context(), webID)
	if err != nil {
		t.Fatal(err)
	}
	if want := (event.Container{Name: "web", Image: "docker.io/library/nginx:1.27", ImageDigest: "sha256:0123", Runtime: "containerd"}); c != want {
		t.Errorf("%+v", c)
	}
	if k.PodName != "web-0" || k.PodNamespace != "shop" || k.PodUID != podUID || k.PodSandbox || len(k.Labels) != 1 || k.Labels["app"] != "web" {
		t.Errorf("%+v", k)
	}
	_, k, err = r.Resolve(t.Context(), sandboxID)
	if err != nil || !k.PodSandbox || k.PodName != "web-0" {
		t.Errorf("sandbox: %+v %v", k, err)
	}
	if _, _, err := r.Resolve(t.Context(), "cccc"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown container: %v", err)
	}
}

// startDocker answers like Docker: it cannot run here.
func startDocker(t *testing.T) string {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/containers/"+webID+"/json" {
			http.Error(w, `{"message":"No such container"}`, http.StatusNotFound)
			return
		}
		w.Write([]byte(`{"Id":"` + webID + `","Name":"/web-1","Image":"sha256:beef","Config":{"Image":"nginx:1","Labels":{"x":"y"}}}`))
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return socket
}

func TestDocker(t *testing.T) {
	r := newResolver(t, Options{CRI: off, Docker: startDocker(t)})
	c, k, err := r.Resolve(t.Context(), webID)
	if err != nil {
		t.Fatal(err)
	}
	if want := (event.Container{Name: "web-1", Image: "nginx:1", ImageDigest: "sha256:beef", Runtime: "docker"}); c != want || k.PodName != "" {
		t.Errorf("%+v %+v", c, k)
	}
	if _, _, err := r.Resolve(t.Context(), sandboxID); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown container: %v", err)
	}
}

func TestNoRuntime(t *testing.T) {
	r := newResolver(t, Options{CRI: filepath.Join(t.TempDir(), "none.sock"), Docker: filepath.Join(t.TempDir(), "none.sock")})
	if _, _, err := r.Resolve(t.Context(), webID); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if _, _, err := newResolver(t, Options{CRI: off, Docker: off}).Resolve(t.Context(), webID); !errors.Is(err, enrich.ErrNoRuntime) {
		t.Errorf("%v", err)
	}
}
