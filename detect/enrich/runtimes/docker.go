package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-io/tocsin/event"
)

// dockerClients speak the one request of Docker's API that is needed. Docker's own client would bring its tracing and
// everything else into a privileged process.
type dockerClients struct {
	mu      sync.Mutex
	clients map[string]*http.Client
}

// inspectMax bounds the answer, in bytes.
const inspectMax = 4 << 20

// inspect is the part of GET /containers/{id}/json that is read.
type inspect struct {
	Name   string
	Image  string // the image's id: "sha256:…"
	Config struct {
		Image  string // as the user named it
		Labels map[string]string
	}
}

func (ds *dockerClients) client(socket string) *http.Client {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	c := ds.clients[socket]
	if c == nil {
		c = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", socket)
			},
		}}
		if ds.clients == nil {
			ds.clients = map[string]*http.Client{}
		}
		ds.clients[socket] = c
	}
	return c
}

func (ds *dockerClients) close() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, c := range ds.clients {
		c.CloseIdleConnections()
	}
}

func (ds *dockerClients) resolve(ctx context.Context, socket, id string) (event.Container, event.Kubernetes, error) {
	var none event.Container
	// Without a version in the path the daemon answers in its newest one.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/"+url.PathEscape(id)+"/json", nil)
	if err != nil {
		return none, event.Kubernetes{}, err
	}
	res, err := ds.client(socket).Do(req)
	if err != nil {
		return none, event.Kubernetes{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return none, event.Kubernetes{}, fmt.Errorf("inspect container: %s", res.Status)
	}
	var in inspect
	if err := json.NewDecoder(io.LimitReader(res.Body, inspectMax)).Decode(&in); err != nil {
		return none, event.Kubernetes{}, fmt.Errorf("inspect container: %w", err)
	}
	runtime := "docker"
	if strings.Contains(socket, "podman") {
		runtime = "podman"
	}
	labels := in.Config.Labels
	return event.Container{
		Name: first(labels[labelContainer], strings.TrimPrefix(in.Name, "/")), Image: in.Config.Image, ImageDigest: digest(in.Image), Runtime: runtime,
	}, pod(labels), nil
}
