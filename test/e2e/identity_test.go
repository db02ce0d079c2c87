package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

// cluster answers like containerd of a Kubernetes node for every container. When hang is closed it answers no more.
type cluster struct {
	cri.UnimplementedRuntimeServiceServer
	hang chan struct{}
}

const podUID = "8d3ea4a2-7b1e-4a39-9c0f-0a1b2c3d4e5f"

func (c cluster) ContainerStatus(ctx context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	select {
	case <-c.hang:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
	}
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{
		Id: r.ContainerId, Metadata: &cri.ContainerMetadata{Name: "web"}, Image: &cri.ImageSpec{Image: "docker.io/library/shop:3"},
		ImageRef: "docker.io/library/shop@sha256:0123",
		Labels: map[string]string{
			"io.kubernetes.pod.name": "web-0", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": podUID, "io.kubernetes.container.name": "web",
		},
	}}, nil
}

func (cluster) ListPodSandbox(context.Context, *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	return &cri.ListPodSandboxResponse{Items: []*cri.PodSandbox{{Id: strings.Repeat("b", 64), Labels: map[string]string{"app": "web", "tier": "front"}}}}, nil
}

func serveCRI(t *testing.T, c cluster) string {
	dir, err := os.MkdirTemp("", "cri-") // short: it is a socket's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "containerd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(s, c)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// TestIdentity checks all that a finding has to say about who did it, of a container that was there before the sensor and
// of one that came later. No cluster can run in a test: what speaks for it is a real server of its protocol.
func TestIdentity(t *testing.T) {
	harness.NeedRoot(t)
	runtime := cluster{hang: make(chan struct{})}
	hook := harness.NewWebhook(t)
	s := newSetup(t, "sensor: {container: {cri: "+serveCRI(t, runtime)+", docker: off}}\n"+everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook"), tutorial(t))
	docker, signals := socket(t, "docker.sock"), t.TempDir()

	start := func(goAhead string) string {
		id, _ := harness.StartContainer(t, harness.ContainerOptions{
			Args:   []string{"chain", "5", "when", "/signals/" + goAhead, "connect", "/var/run/docker.sock"},
			Mounts: map[string]string{"/var/run/docker.sock": docker, "/signals": signals},
			UID:    4711, Files: map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\nshopkeeper:x:4711:4711::/:/bin/sh\n"},
			Spec: func(spec map[string]any) {
				spec["process"].(map[string]any)["capabilities"] = map[string][]string{
					"bounding": {"CAP_NET_RAW", "CAP_CHOWN"}, "effective": {"CAP_NET_RAW", "CAP_CHOWN"}, "permitted": {"CAP_NET_RAW", "CAP_CHOWN"},
					"inheritable": {"CAP_NET_RAW", "CAP_CHOWN"}, "ambient": {"CAP_NET_RAW", "CAP_CHOWN"},
				}
			},
		})
		return id
	}
	if err := os.Chmod(docker, 0o777); err != nil {
		t.Fatal(err)
	}
	goAhead := func(name string) {
		if err := os.WriteFile(filepath.Join(signals, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := start("before")
	time.Sleep(300 * time.Millisecond) // it waits by then, all of it
	n := s.run(t)
	goAhead("before")
	after := start("after")
	time.Sleep(300 * time.Millisecond)
	goAhead("after")
	for when, id := range map[string]string{"before the sensor": before, "after the sensor": after} {
		t.Run("container started "+when, func(t *testing.T) {
			f := guilty(t, hook.Wait(t, 30*time.Second, raised(id)))
			checkIdentity(t, f, id)
		})
	}

	t.Run("people read it", func(t *testing.T) {
		var alert string
		harness.Eventually(t, 10*time.Second, func() error {
			for _, a := range n.alerts(t) {
				if a.Container != nil && a.Container.ID == after && a.Rule.ID == "RMM-1" {
					alert = a.ID
					return nil
				}
			}
			return harness.ErrNotYet
		})
		show := harness.Start(t, "tocsin", "alerts", "show", "--server", n.url, alert)
		if code := show.Wait(10 * time.Second); code != 0 {
			t.Fatalf("exit code %d: %s", code, show.Stderr())
		}
		for _, want := range []string{
			"shopkeeper", "web", "docker.io/library/shop:3", "sha256:0123", after[:12], "shop/web-0", "app=web", "CAP_NET_RAW", "runs /helper in /", "uid 4711", "T1609",
		} {
			if !strings.Contains(show.Stdout(), want) {
				t.Errorf("no %q in\n%s", want, show.Stdout())
			}
		}
	})

	t.Run("a runtime that hangs delays nothing", func(t *testing.T) {
		close(runtime.hang)
		began := time.Now()
		c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": docker}, "connect", "/var/run/docker.sock")
		f := guilty(t, hook.Wait(t, 30*time.Second, raised(c.ID)))
		var at int64
		fmt.Sscan(c.Output, &at)
		if f.Container == nil || f.Container.ID != c.ID {
			t.Errorf("container %+v", f.Container)
		}
		// A look-up is given two seconds; a finding does not take part in that.
		if took := f.Time.Sub(time.Unix(0, at)); took < -time.Second || took > time.Second {
			t.Errorf("the finding is of %v after the system call", took)
		}
		t.Logf("at the webhook %v after the container was asked for", time.Since(began))
	})
}

// guilty returns the finding of the tutorial's rule in a webhook's request.
func guilty(t *testing.T, r harness.Request) finding.Finding {
	t.Helper()
	n := notification(t, r)
	i := slices.IndexFunc(n.Findings, func(f finding.Finding) bool { return f.Rule.ID == "RMM-1" })
	return n.Findings[i]
}

func checkIdentity(t *testing.T, f finding.Finding, id string) {
	t.Helper()
	if c := f.Container; c == nil || *c != (finding.Container{ID: id, Name: "web", Image: "docker.io/library/shop:3", ImageDigest: "sha256:0123", Runtime: "containerd"}) {
		t.Errorf("container %+v", c)
	}
	if k := f.Kubernetes; k == nil || k.PodName != "web-0" || k.Namespace != "shop" || k.PodUID != podUID || k.Labels["app"] != "web" || k.Labels["tier"] != "front" {
		t.Errorf("pod %+v", k)
	}
	p := f.Process
	if p == nil {
		t.Fatal("no process")
	}
	if p.PID == 0 || p.PPID == 0 || p.StartTime == nil || time.Since(*p.StartTime) > 5*time.Minute || p.ContainerID != id {
		t.Errorf("process %+v", p)
	}
	if p.Executable != "/helper" || p.Name != "exe" && p.Name != "helper" || !slices.Contains(p.Args, "connect") || p.Cwd != "/" {
		t.Errorf("executable %q, name %q, arguments %q, working directory %q", p.Executable, p.Name, p.Args, p.Cwd)
	}
	if p.UID != 4711 || p.EUID != 4711 || p.User != "shopkeeper" {
		t.Errorf("user %d %d %q", p.UID, p.EUID, p.User)
	}
	if !slices.Equal(p.Capabilities, []string{"CAP_CHOWN", "CAP_NET_RAW"}) {
		t.Errorf("capabilities %v", p.Capabilities)
	}
	if len(p.Ancestors) < 6 { // the chain, and runc above it
		t.Fatalf("%d ancestors", len(p.Ancestors))
	}
	execID, seen := regexp.MustCompile(`^\d+:\d+:\d+$`), map[string]bool{p.ExecID: true}
	child := p
	for i := range p.Ancestors {
		a := &p.Ancestors[i]
		if a.PID != child.PPID || !execID.MatchString(a.ExecID) || seen[a.ExecID] || a.StartTime == nil || a.StartTime.After(*child.StartTime) || a.Executable == "" && a.PPID > 2 {
			t.Errorf("ancestor %d: %+v above pid %d", i, a, child.PID)
		}
		seen[a.ExecID] = true
		if i < 5 && (a.Executable != "/helper" || a.User != "shopkeeper" || a.ContainerID != id || a.Cwd != "/") {
			t.Errorf("ancestor %d in the container: %+v", i, a)
		}
		child = a
	}
	for _, field := range []string{`"eventName":"security_socket_connect"`, `"containerImage":"docker.io/library/shop:3"`, `"podName":"web-0"`} {
		if !strings.Contains(string(f.Event), field) {
			t.Errorf("no %s in %s", field, f.Event)
		}
	}
}
