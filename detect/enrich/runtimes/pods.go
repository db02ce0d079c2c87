package runtimes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-io/tocsin/event"
)

// inCluster is where Kubernetes puts what a pod's programs need to speak to it.
const inCluster = "/var/run/secrets/kubernetes.io/serviceaccount/"

const (
	// podsMax bounds one answer, in bytes.
	podsMax = 64 << 20
	// podsPage is how many pods the API server is asked for at a time.
	podsPage = 250
	// podsEvery is the least time between two lists, however many containers are unknown.
	podsEvery = time.Second
)

// Kubernetes says where the pods of a node are listed. The zero value is what a pod finds around itself.
type Kubernetes struct {
	Node string // name of this node
	// URL is the API server's; empty: that of the cluster that this process runs in.
	URL string
	// Kubelet, such as https://127.0.0.1:10250, is asked instead of the API server.
	Kubelet string
	// Token and CA are files; empty: those of the pod's service account.
	Token, CA string
}

// podLister knows the containers of a node's pods. The list is read when a container is unknown, not watched: containers
// start and stop far less often than pods change their status.
type podLister struct {
	opts   Kubernetes
	client *http.Client
	list   string // URL

	mu    sync.Mutex
	known map[string]podContainer
	read  time.Time
}

type podContainer struct {
	container event.Container
	pod       event.Kubernetes
}

func newPodLister(o Kubernetes) (*podLister, error) {
	base := first(o.Kubelet, o.URL)
	if base == "" {
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, errors.New("not in a Kubernetes pod: set sensor.kubernetes.kubelet or sensor.kubernetes.url to an address")
		}
		base = "https://" + net.JoinHostPort(host, port)
	}
	base = strings.TrimSuffix(base, "/")
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("sensor.kubernetes.kubelet and .url: %q is no address such as https://127.0.0.1:10250", base)
	}
	if o.Token == "" {
		o.Token = inCluster + "token"
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	pem, err := os.ReadFile(first(o.CA, inCluster+"ca.crt"))
	switch {
	case err == nil:
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", first(o.CA, inCluster+"ca.crt"))
		}
	case o.CA != "":
		return nil, fmt.Errorf("sensor.kubernetes.ca: %w", err)
	}
	l := &podLister{opts: o, client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: tlsConfig, MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
	}}}
	l.list = base + "/pods" // of the kubelet's node, see k8s.io/kubernetes/pkg/kubelet/server
	if o.Kubelet == "" {
		l.list = base + "/api/v1/pods?" + url.Values{
			"fieldSelector": {"spec.nodeName=" + o.Node}, "limit": {fmt.Sprint(podsPage)}, "resourceVersion": {"0"},
		}.Encode()
	}
	return l, nil
}

// resolve returns what the node's pods tell of the container.
func (l *podLister) resolve(ctx context.Context, id string) (event.Container, event.Kubernetes, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.known[id]
	if !ok && time.Since(l.read) >= podsEvery {
		known, err := l.readAll(ctx)
		if err != nil {
			return event.Container{}, event.Kubernetes{}, err
		}
		l.known, l.read = known, time.Now()
		c, ok = l.known[id]
	}
	if !ok {
		return event.Container{}, event.Kubernetes{}, ErrUnknown
	}
	return c.container, c.pod, nil
}

// podList is the part of v1.PodList that is read.
type podList struct {
	Metadata struct{ Continue string }
	Items    []struct {
		Metadata struct {
			Name, Namespace, UID string
			Labels               map[string]string
		}
		Status struct {
			ContainerStatuses, InitContainerStatuses, EphemeralContainerStatuses []struct{ Name, Image, ImageID, ContainerID string }
		}
	}
}

func (l *podLister) readAll(ctx context.Context) (map[string]podContainer, error) {
	known := map[string]podContainer{}
	for next := ""; ; {
		page, err := l.page(ctx, next)
		if err != nil {
			return nil, fmt.Errorf("list pods: %w", err)
		}
		page.containers(known)
		if next = page.Metadata.Continue; next == "" {
			return known, nil
		}
	}
}

// containers adds the containers in the list to known.
func (l *podList) containers(known map[string]podContainer) {
	for _, p := range l.Items {
		pod := event.Kubernetes{PodName: p.Metadata.Name, PodNamespace: p.Metadata.Namespace, PodUID: p.Metadata.UID, Labels: maps.Clone(p.Metadata.Labels)}
		for _, c := range slices.Concat(p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses) {
			runtime, id, ok := strings.Cut(c.ContainerID, "://") // "containerd://…"
			if !ok {
				continue // not started yet
			}
			if runtime == "cri-o" {
				runtime = "crio"
			}
			known[id] = podContainer{event.Container{Name: c.Name, Image: c.Image, ImageDigest: digest(c.ImageID), Runtime: runtime}, pod}
		}
	}
}

func (l *podLister) page(ctx context.Context, next string) (*podList, error) {
	u := l.list
	if next != "" {
		u += "&continue=" + url.QueryEscape(next)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	if token, err := os.ReadFile(l.opts.Token); err == nil { // read each time: Kubernetes renews it
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	var list podList
	if err := json.NewDecoder(io.LimitReader(res.Body, podsMax)).Decode(&list); err != nil {
		return nil, err
	}
	return &list, nil
}

func (l *podLister) close() { l.client.CloseIdleConnections() }
