package runtimes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tocsin-io/tocsin/event"
)

// criClients are the connections to CRI runtimes, by socket.
type criClients struct {
	mu    sync.Mutex
	conns map[string]*grpc.ClientConn
}

func (cs *criClients) client(socket string) (cri.RuntimeServiceClient, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	conn := cs.conns[socket]
	if conn == nil {
		var err error
		// The socket's file permissions are what guards it; there is no network to encrypt for.
		if conn, err = grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
			return nil, err
		}
		if cs.conns == nil {
			cs.conns = map[string]*grpc.ClientConn{}
		}
		cs.conns[socket] = conn
	}
	return cri.NewRuntimeServiceClient(conn), nil
}

func (cs *criClients) close() error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var errs []error
	for _, c := range cs.conns {
		errs = append(errs, c.Close())
	}
	cs.conns = nil
	return errors.Join(errs...)
}

func (cs *criClients) resolve(ctx context.Context, socket, id string) (event.Container, event.Kubernetes, error) {
	client, err := cs.client(socket)
	if err != nil {
		return event.Container{}, event.Kubernetes{}, err
	}
	res, err := client.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id})
	if status.Code(err) == codes.NotFound {
		return sandbox(ctx, client, socket, id)
	}
	if err != nil {
		return event.Container{}, event.Kubernetes{}, err
	}
	st := res.GetStatus()
	labels := st.GetLabels()
	c := event.Container{
		Name: first(labels[labelContainer], st.GetMetadata().GetName()), Image: image(st), ImageDigest: first(digest(st.GetImageRef()), digest(st.GetImageId())),
		Runtime: runtimeName(socket),
	}
	k := pod(labels)
	if k.PodUID != "" {
		// The labels that people put on a pod are its sandbox's.
		list, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: map[string]string{labelPodUID: k.PodUID}}})
		if err == nil && len(list.GetItems()) > 0 {
			k.Labels = podLabels(list.GetItems()[0].GetLabels())
		}
	}
	return c, k, nil
}

// sandbox resolves the id of a pod's sandbox, the container that holds its namespaces.
func sandbox(ctx context.Context, client cri.RuntimeServiceClient, socket, id string) (event.Container, event.Kubernetes, error) {
	res, err := client.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: id})
	if err != nil {
		return event.Container{}, event.Kubernetes{}, err
	}
	st := res.GetStatus()
	if st == nil {
		return event.Container{}, event.Kubernetes{}, fmt.Errorf("no status of sandbox %s", id)
	}
	m := st.GetMetadata()
	k := event.Kubernetes{PodName: m.GetName(), PodNamespace: m.GetNamespace(), PodUID: m.GetUid(), PodSandbox: true, Labels: podLabels(st.GetLabels())}
	return event.Container{Name: m.GetName(), Runtime: runtimeName(socket)}, k, nil
}

// image returns the name that the user gave, "nginx:1.27", where the runtime kept it.
func image(st *cri.ContainerStatus) string {
	if s := st.GetImage().GetUserSpecifiedImage(); s != "" {
		return s
	}
	return st.GetImage().GetImage()
}

// podLabels leaves out the labels that kubelets add for themselves.
func podLabels(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	maps.DeleteFunc(out, func(k, _ string) bool { return strings.HasPrefix(k, "io.kubernetes.") })
	if len(out) == 0 {
		return nil
	}
	return out
}

func runtimeName(socket string) string {
	name := strings.TrimSuffix(filepath.Base(socket), ".sock")
	if name == "cri-dockerd" {
		return "docker"
	}
	return name
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
