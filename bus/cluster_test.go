package bus_test

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tocsin-io/tocsin/bus"
)

// A router that is started together with the servers of its cluster waits until these have found each other.
func TestEnsureWaitsForTheCluster(t *testing.T) {
	var ports []int
	var routes []*url.URL
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		must(t, l.Close())
	}
	launch := func(i int) *server.Server {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("node-", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes, Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[i]},
		})
		must(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		return s
	}
	first := launch(0)
	if !first.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	b := connect(t, bus.Options{URL: first.ClientURL()})
	late := time.AfterFunc(time.Second, func() { launch(1); launch(2) })
	defer late.Stop()
	must(t, b.Ensure(t.Context(), bus.Streams{Outputs: []string{"hook"}, Replicas: 3, MaxBytes: 64 << 20}))
}
