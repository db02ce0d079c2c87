// Package connect reaches NATS as the configuration says. It links no NATS server.
package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/configs"
)

// Open connects to the configured servers, or to server when it is one in this process. name is what the server's
// monitoring shows.
func Open(cfg configs.NATS, server nats.InProcessConnProvider, name string, log *slog.Logger) (*bus.Bus, error) {
	opts := bus.Options{Server: server, Name: name, Log: log, Creds: cfg.Creds}
	if server != nil {
		// The token guards the listener; this process comes in another way, but is asked as well.
		if cfg.Embedded != nil && !cfg.Embedded.Token.IsZero() {
			if _, err := cfg.Embedded.Token.Value(); err != nil {
				return nil, fmt.Errorf("nats.embedded.token: %w", err)
			}
			opts.Token = cfg.Embedded.Token.Value
		}
		return bus.Connect(opts)
	}
	var err error
	if cfg.URL.IsZero() {
		return nil, errors.New("nats.url is not set: say where the NATS server is, such as nats://127.0.0.1:4222")
	}
	if opts.URL, err = cfg.URL.Value(); err != nil {
		return nil, fmt.Errorf("nats.url: %w", err)
	}
	if !cfg.Token.IsZero() {
		if _, err := cfg.Token.Value(); err != nil {
			return nil, fmt.Errorf("nats.token: %w", err)
		}
		opts.Token = cfg.Token.Value
	}
	if cfg.TLS != nil {
		if opts.TLS, err = clientTLS(cfg.TLS); err != nil {
			return nil, fmt.Errorf("nats.tls: %w", err)
		}
	}
	return bus.Connect(opts)
}

func clientTLS(c *configs.ClientTLS) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
