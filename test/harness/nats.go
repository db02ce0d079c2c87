package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A NATS is a NATS server with JetStream in a process of its own, which can be killed and
// started again on the same address and folder.
type NATS struct {
	URL string

	t         testing.TB
	dir, addr string
	process   *Process
}

// NewNATS starts a server that keeps its streams in dir; empty means a folder of the test.
func NewNATS(t testing.TB, dir string) *NATS {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	n := &NATS{t: t, dir: dir, addr: FreeAddr(t)}
	n.URL = "nats://" + n.addr
	n.Start()
	return n
}

// Start starts the server again after [NATS.Kill] or [NATS.Stop].
func (n *NATS) Start() {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	n.process = StartWith(n.t, func(c *exec.Cmd) { c.Env = append(c.Env, helperEnv+"=1") }, self, "nats", n.dir, n.addr)
	Eventually(n.t, 20*time.Second*Slow(), func() error {
		if n.process.Exited() {
			n.t.Fatalf("NATS server ended: %s", n.process.Stderr())
		}
		if !strings.Contains(n.process.Stdout(), "ready") {
			return ErrNotYet
		}
		return nil
	})
}

// Kill ends the server as kill -9 does.
func (n *NATS) Kill() { n.process.Kill() }

// Stop ends the server as a service manager does.
func (n *NATS) Stop() {
	n.t.Helper()
	n.process.Stop(20 * time.Second)
}

// natsHelper is the server's process.
func natsHelper(dir, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	opts := &server.Options{Host: host, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true}
	if _, err := fmt.Sscan(port, &opts.Port); err != nil {
		return err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("no NATS server on %s within 30 s", addr)
	}
	fmt.Println("ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	srv.Shutdown()
	srv.WaitForShutdown()
	return nil
}
