// Package embedded runs a NATS server with JetStream inside this process, so that one host needs nothing else.
package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// MaxPayload bounds one message, in bytes.
const MaxPayload = 8 << 20

// Options configure the server. Dir is needed; the rest has working zero values.
type Options struct {
	Dir string // JetStream's files
	// SyncInterval is how often JetStream calls fsync; 0 means after every write, so that what is acknowledged survives
	// a crash of the machine and not only of the process.
	SyncInterval time.Duration
	MaxBytes     int64 // bound of all streams on disk; 0 means what the disk has
	// Listen is host:port for sensors and routers of other processes. Empty: only this process can connect. An address
	// needs User and Password, or Token.
	Listen         string
	User, Password string
	Token          string
	Log            *slog.Logger
}

// Server is a running NATS server. It is the nats.InProcessConnProvider of this process.
type Server struct{ srv *server.Server }

// Start starts the server and waits until it takes connections. It says which file or address is at fault.
func Start(opts Options) (*Server, error) {
	o := &server.Options{
		ServerName: "tocsin", DontListen: opts.Listen == "", NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: opts.Dir, MaxPayload: MaxPayload, MaxPending: 256 << 20,
		JetStreamMaxStore: opts.MaxBytes, JetStreamMaxMemory: 64 << 20,
		SyncAlways: opts.SyncInterval == 0, SyncInterval: opts.SyncInterval,
	}
	if opts.Dir == "" {
		return nil, errors.New("start embedded NATS: no directory given for its streams")
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start embedded NATS: %w", err)
	}
	if opts.Listen != "" {
		host, port, err := net.SplitHostPort(opts.Listen)
		if err != nil {
			return nil, fmt.Errorf("start embedded NATS: listen address %q: %w", opts.Listen, err)
		}
		if o.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("start embedded NATS: listen address %q: the port is not a number", opts.Listen)
		}
		if o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
		if opts.Token == "" && (opts.User == "" || opts.Password == "") {
			return nil, fmt.Errorf("start embedded NATS: listening on %s needs a token (nats.embedded.token)", opts.Listen)
		}
		// The server ends the process's hope of an error when a port is in use: ask first.
		l, err := net.Listen("tcp", opts.Listen)
		if err != nil {
			return nil, fmt.Errorf("start embedded NATS: %w", err)
		}
		l.Close()
		o.Host, o.Username, o.Password, o.Authorization = host, opts.User, opts.Password, opts.Token
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("start embedded NATS: %w", err)
	}
	if opts.Log != nil {
		srv.SetLoggerV2(&logger{opts.Log}, false, false, false)
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		srv.Shutdown()
		return nil, fmt.Errorf("start embedded NATS: not ready after 30 s (directory %s)", opts.Dir)
	}
	if !srv.JetStreamEnabled() {
		srv.Shutdown()
		return nil, fmt.Errorf("start embedded NATS: JetStream can't use the directory %s", opts.Dir)
	}
	return &Server{srv}, nil
}

// InProcessConn implements nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) { return s.srv.InProcessConn() }

// URL is where other processes connect; empty without Options.Listen.
func (s *Server) URL() string {
	if a, ok := s.srv.Addr().(*net.TCPAddr); ok {
		return "nats://" + a.String()
	}
	return ""
}

// Shutdown stops the server and waits until its files are closed. Calling it again does nothing.
func (s *Server) Shutdown() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

type logger struct{ log *slog.Logger }

func (l *logger) Noticef(format string, v ...any) { l.log.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l *logger) Debugf(format string, v ...any)  {}
func (l *logger) Tracef(format string, v ...any)  {}
func (l *logger) Warnf(format string, v ...any)   { l.log.Warn("nats: " + fmt.Sprintf(format, v...)) }

func (l *logger) Errorf(format string, v ...any) { l.log.Error("nats: " + fmt.Sprintf(format, v...)) }

func (l *logger) Fatalf(format string, v ...any) { l.log.Error("nats: " + fmt.Sprintf(format, v...)) }
