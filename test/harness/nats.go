package harness

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// SyncAlways has a NATS server sync each write to the disk before it acknowledges, as the server inside Tocsin does by default.
const SyncAlways = "sync-always"

// A NATS is a NATS server with JetStream in a process of its own, which can be killed and
// started again on the same address and folder.
type NATS struct {
	URL string

	t         testing.TB
	dir, addr string
	options   []string
	process   *Process
}

// NewNATS starts a server that keeps its streams in dir; empty means a folder of the test.
func NewNATS(t testing.TB, dir string, options ...string) *NATS {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	n := &NATS{t: t, dir: dir, addr: FreeAddr(t), options: options}
	n.URL = "nats://" + n.addr
	n.Start()
	return n
}

// NewNATSCluster starts servers that are one cluster.
func NewNATSCluster(t testing.TB, size int) (nodes []*NATS, url string) {
	t.Helper()
	var routes, urls []string
	for range size {
		routes = append(routes, FreeAddr(t))
	}
	for i := range size {
		n := &NATS{t: t, dir: t.TempDir(), addr: FreeAddr(t)}
		n.URL = "nats://" + n.addr
		n.options = []string{fmt.Sprint("node-", i), routes[i], strings.Join(routes, ",")}
		n.launch()
		nodes, urls = append(nodes, n), append(urls, n.URL)
	}
	for _, n := range nodes {
		n.wait()
	}
	return nodes, strings.Join(urls, ",")
}

// Start starts the server again after [NATS.Kill] or [NATS.Stop].
func (n *NATS) Start() {
	n.t.Helper()
	n.launch()
	n.wait()
}

func (n *NATS) launch() {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	args := append([]string{"nats", n.dir, n.addr}, n.options...)
	n.process = StartWith(n.t, func(c *exec.Cmd) { c.Env = append(c.Env, helperEnv+"=1") }, self, args...)
}

func (n *NATS) wait() {
	n.t.Helper()
	Eventually(n.t, 30*time.Second*Slow(), func() error {
		if n.process.Exited() {
			n.t.Fatalf("NATS server ended: %s", n.process.Stderr())
		}
		if !strings.Contains(n.process.Stdout(), "ready") {
			return ErrNotYet
		}
		return nil
	})
}

// CPU returns the processor time that the server has used.
func (n *NATS) CPU() time.Duration { return n.process.CPU() }

// Kill ends the server as kill -9 does.
func (n *NATS) Kill() { n.process.Kill() }

// Stop ends the server as a service manager does.
func (n *NATS) Stop() {
	n.t.Helper()
	n.process.Stop(20 * time.Second)
}

// natsHelper is the server's process. Its options are SyncAlways, or the name, address and all addresses of a cluster's nodes.
func natsHelper(dir, addr string, more []string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	opts := &server.Options{Host: host, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, SyncAlways: slices.Contains(more, SyncAlways)}
	if _, err := fmt.Sscan(port, &opts.Port); err != nil {
		return err
	}
	if len(more) == 3 {
		if err := clustered(opts, more[0], more[1], more[2]); err != nil {
			return err
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("no NATS server on %s within 30 s", addr)
	}
	for opts.Cluster.Name != "" && !srv.JetStreamIsCurrent() { // until the nodes have found each other
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Println("ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	srv.Shutdown()
	srv.WaitForShutdown()
	return nil
}

func clustered(opts *server.Options, name, addr, nodes string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	opts.ServerName = name
	opts.Cluster.Name, opts.Cluster.Host = "test", host
	if _, err := fmt.Sscan(port, &opts.Cluster.Port); err != nil {
		return err
	}
	for _, a := range strings.Split(nodes, ",") {
		u, err := url.Parse("nats://" + a)
		if err != nil {
			return err
		}
		opts.Routes = append(opts.Routes, u)
	}
	return nil
}
