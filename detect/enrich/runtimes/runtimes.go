// Package runtimes asks the container runtimes of a host for what they know of a container: CRI (containerd, CRI-O) and
// Docker's API (Docker, Podman), over their local sockets. Pods that no runtime tells of are asked of Kubernetes: the
// kubelet of the node, or the API server.
package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
)

// Usual places of the sockets, tried in this order.
var (
	criSockets    = []string{"/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock", "/run/cri-dockerd.sock"}
	dockerSockets = []string{"/var/run/docker.sock", "/run/podman/podman.sock"}
)

// off turns a kind of runtime off in Options.
const off = "off"

// Options name the sockets. Empty: the usual ones that exist when a container is looked up. "off": none.
type Options struct {
	CRI, Docker string
	Kubernetes  *Kubernetes // nil: not asked
}

// ErrUnknown says that no runtime knows the container.
var ErrUnknown = errors.New("no container runtime knows the container")

// Resolver asks the runtimes. It is safe for concurrent use.
type Resolver struct {
	opts Options
	cri  criClients
	http dockerClients
	pods *podLister // nil where Kubernetes is not asked
}

// New returns a resolver. Nothing is connected yet: a runtime may start later than the sensor. An error says what is
// wrong with the options of Kubernetes.
func New(opts Options) (*Resolver, error) {
	r := &Resolver{opts: opts}
	if opts.Kubernetes != nil {
		var err error
		if r.pods, err = newPodLister(*opts.Kubernetes); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Resolve returns what the first runtime that knows the container tells, and of the pod what Kubernetes tells when the
// runtime does not: an error is ErrUnknown, or enrich.ErrNoRuntime when there is nobody to ask.
func (r *Resolver) Resolve(ctx context.Context, id string) (event.Container, event.Kubernetes, error) {
	c, k, err := r.ask(ctx, id)
	if r.pods == nil || err == nil && k.PodName != "" {
		return c, k, err
	}
	pc, pk, podErr := r.pods.resolve(ctx, id)
	switch {
	case podErr == nil && err == nil:
		return c, pk, nil
	case podErr == nil:
		return pc, pk, nil
	case err == nil:
		return c, k, nil // a container of no pod
	}
	return c, k, errors.Join(podErr, ErrUnknown)
}

// ask asks the runtimes.
func (r *Resolver) ask(ctx context.Context, id string) (event.Container, event.Kubernetes, error) {
	var errs []error
	speakCRI, speakDocker := sockets(r.opts.CRI, criSockets), sockets(r.opts.Docker, dockerSockets)
	if len(speakCRI)+len(speakDocker) == 0 {
		return event.Container{}, event.Kubernetes{}, enrich.ErrNoRuntime
	}
	for _, socket := range speakCRI {
		c, k, err := r.cri.resolve(ctx, socket, id)
		if err == nil {
			return c, k, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", socket, err))
	}
	for _, socket := range speakDocker {
		c, k, err := r.http.resolve(ctx, socket, id)
		if err == nil {
			return c, k, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", socket, err))
	}
	return event.Container{}, event.Kubernetes{}, errors.Join(append(errs, ErrUnknown)...)
}

// Close closes the connections.
func (r *Resolver) Close() error {
	r.http.close()
	if r.pods != nil {
		r.pods.close()
	}
	return r.cri.close()
}

func sockets(configured string, usual []string) []string {
	switch configured {
	case off:
		return nil
	case "":
		var out []string
		for _, s := range usual {
			if info, err := os.Stat(s); err == nil && info.Mode()&os.ModeSocket != 0 {
				out = append(out, s)
			}
		}
		return out
	}
	return []string{strings.TrimPrefix(configured, "unix://")}
}

// Labels that kubelets put on containers and sandboxes (k8s.io/kubelet, pkg/types/labels.go).
const (
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelPodUID    = "io.kubernetes.pod.uid"
	labelContainer = "io.kubernetes.container.name"
)

// pod reads what a kubelet's labels tell of the pod.
func pod(labels map[string]string) event.Kubernetes {
	return event.Kubernetes{PodName: labels[labelPod], PodNamespace: labels[labelNamespace], PodUID: labels[labelPodUID]}
}

// digest returns the digest of an image reference: "sha256:…".
func digest(ref string) string {
	if i := strings.LastIndex(ref, "sha256:"); i >= 0 {
		return ref[i:]
	}
	return ""
}
