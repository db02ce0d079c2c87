// Package configs reads Tocsin's configuration: one YAML file that the all-in-one program, the sensor and the router
// share, each using its parts. Everything has a default, so that an empty file, or none, works.
//
// Reading is strict: an unknown key, a wrong type or a bad value is an error with file, line, caret and a suggestion,
// and all errors of a file are reported at once. Secrets are written as ${env:NAME} or ${file:PATH} and never printed.
//
// The package knows no other part of Tocsin. What another part gives its meaning to (the matchers of routes, the
// settings of an output type) is read into plain values or into a struct that part provides; Config.Errorf places that
// part's errors in the file.
package configs

import (
	"os"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// Config is the whole file.
type Config struct {
	Version   int               `yaml:"version" doc:"version of this format, 1"`
	Cluster   string            `yaml:"cluster" doc:"name of the cluster that findings of this host carry"`
	Host      string            `yaml:"host" doc:"name of this host; by default the kernel's"`
	DataDir   string            `yaml:"data_dir" doc:"where everything that must survive a restart is kept; by default the StateDirectory of a systemd unit, or /var/lib/tocsin"`
	Log       Log               `yaml:"log" doc:"the program's own log"`
	Sensor    Sensor            `yaml:"sensor" doc:"the sensor: events and rules"`
	Server    Server            `yaml:"server" doc:"REST API and console"`
	NATS      NATS              `yaml:"nats" doc:"the bus between sensors and routers"`
	Store     Store             `yaml:"store" doc:"where alerts are kept"`
	Attack    Attack            `yaml:"attack" doc:"ATT&CK data"`
	Templates []string          `yaml:"templates" doc:"files with templates named title and text for messages, as globs: docs/outputs.md"`
	Defaults  Defaults          `yaml:"defaults" doc:"what routes and outputs start from"`
	Outputs   map[string]Output `yaml:"outputs" doc:"the destinations, by name"`
	Times     map[string]Times  `yaml:"times" doc:"named times of the week, for routes"`
	Routes    []Route           `yaml:"routes" doc:"which findings go where; the first route that matches takes a finding unless it says continue"`
	Inhibit   []Inhibit         `yaml:"inhibit" doc:"findings that mute others because they explain them"`
	Silences  Silences          `yaml:"silences" doc:"what people may silence"`

	// Warnings are about things that work but should not stay, such as a secret written literally.
	Warnings []*Error `yaml:"-"`

	src *source
}

// Log configures the program's own log, which goes to standard error.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" doc:"least level that is written"`
	Format string `yaml:"format" enum:"text,json" doc:"form of a line"`
}

// Sensor configures events and rules.
type Sensor struct {
	Listen       string          `yaml:"listen" doc:"address of /metrics, /healthz and /readyz of tocsin-sensor"`
	MetricsToken settings.Secret `yaml:"metrics_token" doc:"token that /metrics asks for of who is not on this host; without one only who is may read them"`
	Rules        []string        `yaml:"rules" doc:"folders with rules, beside the built-in ones"`
	Builtin      bool            `yaml:"builtin" doc:"whether the built-in rules are used"`
	Enable       []string        `yaml:"enable" doc:"ids of rules that are off by default and shall be used, as globs"`
	Disable      []string        `yaml:"disable" doc:"ids of rules that are not loaded, as globs"`
	Wasm         bool            `yaml:"wasm" doc:"whether rules in WebAssembly (*.wasm in the folders) are loaded, in a sandbox"`
	RingBuffer   settings.Size   `yaml:"ring_buffer" doc:"size of the kernel ring buffer, a power of two"`
	Spool        Spool           `yaml:"spool" doc:"what is kept on disk while NATS cannot be reached"`
	Container    Container       `yaml:"container" doc:"where names of containers come from"`
	Kubernetes   Kubernetes      `yaml:"kubernetes" doc:"where names of pods come from"`
}

// Spool configures the sensor's store for findings that cannot be sent.
type Spool struct {
	Dir string        `yaml:"dir" doc:"folder of the spool; by default spool under data_dir"`
	Max settings.Size `yaml:"max" doc:"bound on disk; beyond it the lowest severity is dropped first, and counted"`
}

// Container configures the container runtimes that are asked for names.
type Container struct {
	CRI    string `yaml:"cri" doc:"socket of the container runtime interface; by default the usual ones are tried, 'off' turns it off"`
	Docker string `yaml:"docker" doc:"socket of Docker or Podman; by default the usual ones are tried, 'off' turns it off"`
}

// Kubernetes configures who is asked for the pods of this node when the container runtime does not tell.
type Kubernetes struct {
	Enabled string `yaml:"enabled" enum:"auto,on,off" doc:"whether Kubernetes is asked for pods that the container runtime does not tell of; auto: when running in a pod, or with an address"`
	Node    string `yaml:"node" doc:"name of this node; by default the host"`
	Kubelet string `yaml:"kubelet" doc:"address of the kubelet to ask instead of the API server" example:"https://127.0.0.1:10250"`
	URL     string `yaml:"url" doc:"address of the API server; by default the one of the cluster that this runs in"`
	Token   string `yaml:"token" doc:"file with the token; by default the pod's service account's"`
	CA      string `yaml:"ca" doc:"file with the certificate authorities, PEM; by default the pod's service account's"`
}

// Server configures the REST API.
type Server struct {
	Listen       string          `yaml:"listen" doc:"address of API and console; one that is not loopback needs tokens"`
	Tokens       settings.Secret `yaml:"tokens" doc:"tokens of the API, hashed, one a line"`
	TLS          *ServerTLS      `yaml:"tls" doc:"certificate of the API"`
	ExternalURL  string          `yaml:"external_url" doc:"address under which people reach the console; links in messages point there"`
	Metrics      string          `yaml:"metrics" doc:"a second address for /metrics, /healthz and /readyz alone"`
	MetricsToken settings.Secret `yaml:"metrics_token" doc:"token that /metrics of the second address asks for of who is not on this host; without one only who is may read them"`
}

// ServerTLS is a server's certificate.
type ServerTLS struct {
	Cert     string `yaml:"cert" required:"true" doc:"file with the certificate chain, PEM"`
	Key      string `yaml:"key" required:"true" doc:"file with the private key, PEM"`
	ClientCA string `yaml:"client_ca" doc:"file with the authorities that clients must come from, PEM"`
}

// NATS configures the bus: a server in the process, or a cluster elsewhere.
type NATS struct {
	Embedded *Embedded       `yaml:"embedded" doc:"a NATS server inside this process"`
	URL      settings.Secret `yaml:"url" doc:"servers to connect to instead, separated by commas" example:"nats://nats-1:4222,nats://nats-2:4222"`
	Creds    string          `yaml:"creds" doc:"file with NATS credentials"`
	Token    settings.Secret `yaml:"token" doc:"token to log in with"`
	TLS      *ClientTLS      `yaml:"tls" doc:"TLS to the servers"`
	Replicas int             `yaml:"replicas" doc:"copies of each stream in a cluster, 1 to 5"`
	Retain   time.Duration   `yaml:"retain" doc:"how long findings stay in the stream"`
	MaxBytes settings.Size   `yaml:"max_bytes" doc:"bound on the stream of findings"`
}

// Embedded configures the NATS server inside this process.
type Embedded struct {
	Dir    string          `yaml:"dir" doc:"folder of the streams; by default nats under data_dir"`
	Sync   string          `yaml:"sync" example:"always" doc:"when streams are synced to disk: always, or an interval"`
	Listen string          `yaml:"listen" doc:"address for sensors on other hosts; by default none"`
	Token  settings.Secret `yaml:"token" doc:"token that sensors on other hosts must show"`
	TLS    *ServerTLS      `yaml:"tls" doc:"certificate of the listener"`
}

// ClientTLS says how a server is checked, and how this side shows itself.
type ClientTLS struct {
	CA         string `yaml:"ca" doc:"file with the authorities to trust, PEM; by default the system's"`
	Cert       string `yaml:"cert" doc:"file with the client certificate, PEM"`
	Key        string `yaml:"key" doc:"file with its private key, PEM"`
	ServerName string `yaml:"server_name" doc:"name that the server's certificate must carry"`
}

// Store configures where alerts are kept.
type Store struct {
	SQLite   *SQLite       `yaml:"sqlite" doc:"a file on this host"`
	Postgres *Postgres     `yaml:"postgres" doc:"a PostgreSQL database that several routers share"`
	Retain   time.Duration `yaml:"retain" doc:"how long closed alerts and findings are kept"`
}

// SQLite configures the database file.
type SQLite struct {
	Path string `yaml:"path" doc:"the file; by default alerts.db under data_dir"`
}

// Postgres configures the shared database.
type Postgres struct {
	DSN settings.Secret `yaml:"dsn" required:"true" doc:"connection string" example:"postgres://tocsin@db/tocsin"`
}

// Attack configures the ATT&CK data.
type Attack struct {
	Bundle string `yaml:"bundle" doc:"MITRE's STIX file to use instead of the embedded catalogue"`
}

// Defaults is what routes and outputs start from.
type Defaults struct {
	Group Group `yaml:"group" doc:"how findings become alerts"`
	Retry Retry `yaml:"retry" doc:"how an output is retried"`
}

// Group says which findings are one alert to people, and when they are told. Written "none", each finding is sent by itself.
type Group struct {
	None   bool          `yaml:"-"`
	By     []string      `yaml:"by" doc:"fields whose values findings of one group share"`
	Wait   time.Duration `yaml:"wait" doc:"time from the first finding of a group to its message"`
	Window time.Duration `yaml:"window" doc:"least time between messages about a group"`
}

// Retry says how a destination that does not take a message is tried again.
type Retry struct {
	Backoff []time.Duration `yaml:"backoff" doc:"pause before each further try; the last one repeats"`
	GiveUp  time.Duration   `yaml:"give_up" doc:"age at which a message goes to the dead letters"`
}

// Output is one destination. Settings holds what its type declares.
type Output struct {
	Type        string        `yaml:"type" required:"true" doc:"type of the destination"`
	Batch       Batch         `yaml:"batch" doc:"how many notifications one request carries"`
	Rate        Rate          `yaml:"rate" doc:"how many messages the destination gets"`
	Retry       Retry         `yaml:"retry" doc:"instead of defaults.retry"`
	Concurrency int           `yaml:"concurrency" doc:"requests at a time; by default as the type declares"`
	Timeout     time.Duration `yaml:"timeout" doc:"bound on one request"`

	// Settings is the struct that Types gives for Type, filled in.
	Settings any `yaml:"-"`
}

// Batch bounds what one request carries. Zero values mean what the output's type declares.
type Batch struct {
	Max  int           `yaml:"max" doc:"most notifications in a request"`
	Wait time.Duration `yaml:"wait" doc:"longest wait for a batch to fill"`
}

// Rate bounds how many messages a destination gets.
type Rate struct {
	Limit    int           `yaml:"limit" doc:"messages in each period; 0 for no limit"`
	Per      time.Duration `yaml:"per" doc:"the period"`
	Overflow string        `yaml:"overflow" enum:"digest,wait" doc:"what becomes of more: one message that sums them up, or waiting"`
}

// Times is a set of times of the week.
type Times struct {
	Days  Strings `yaml:"days" doc:"days or ranges of days" example:"mon-fri"`
	Hours Strings `yaml:"hours" doc:"ranges of the day" example:"09:00-18:00"`
	TZ    string  `yaml:"tz" doc:"time zone" example:"Europe/Berlin"`
	Not   bool    `yaml:"not" doc:"all other times instead"`
}

// Route sends matching findings to outputs.
type Route struct {
	Name     string         `yaml:"name" required:"true" doc:"name, shown on alerts and in metrics"`
	Match    map[string]any `yaml:"match" doc:"matcher; without one every finding matches"`
	Outputs  Strings        `yaml:"outputs" doc:"names of outputs"`
	Group    Group          `yaml:"group" doc:"instead of defaults.group, or none: every finding by itself"`
	Suppress string         `yaml:"suppress" enum:"allow,never" doc:"never: silences, inhibition, times and rates don't hold anything back here"`
	Continue bool           `yaml:"continue" doc:"whether later routes are tried as well"`
	Remind   time.Duration  `yaml:"remind" doc:"pause between reminders until the alert is acknowledged"`
	During   Strings        `yaml:"during" doc:"names of times; at other times messages are held"`
}

// Inhibit mutes findings that another finding explains.
type Inhibit struct {
	Name   string         `yaml:"name" required:"true" doc:"name, recorded on muted alerts"`
	By     map[string]any `yaml:"by" required:"true" doc:"matcher of the finding that explains"`
	Mute   map[string]any `yaml:"mute" required:"true" doc:"matcher of the findings that are muted"`
	Equal  Strings        `yaml:"equal" doc:"fields that must be present and equal in both"`
	Within time.Duration  `yaml:"within" doc:"how long after the explaining finding"`
}

// Silences bounds what people may silence.
type Silences struct {
	Max            time.Duration `yaml:"max" doc:"longest silence"`
	RequireComment bool          `yaml:"require_comment" doc:"whether a silence needs a comment"`
	MinFields      int           `yaml:"min_fields" doc:"least number of fields in a silence's matcher"`
}

// Strings is a list that may be written as a single string.
type Strings []string

// Default returns the configuration of an empty file, before paths under DataDir are filled in.
func Default() *Config {
	return &Config{
		Version: 1,
		DataDir: dataDir(),
		Log:     Log{Level: "info", Format: "text"},
		Sensor: Sensor{
			Listen: "127.0.0.1:8701", Builtin: true, RingBuffer: 4 << 20,
			Spool:      Spool{Max: 512 << 20},
			Kubernetes: Kubernetes{Enabled: "auto"},
		},
		Server: Server{Listen: "127.0.0.1:8700"},
		NATS:   NATS{Replicas: 1, Retain: 72 * time.Hour, MaxBytes: 4 << 30},
		Store:  Store{Retain: 90 * 24 * time.Hour},
		Defaults: Defaults{
			Group: Group{By: []string{"rule", "host", "container"}, Wait: 5 * time.Second, Window: 10 * time.Minute},
			Retry: Retry{
				Backoff: []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute},
				GiveUp:  24 * time.Hour,
			},
		},
		Silences: Silences{Max: 30 * 24 * time.Hour, RequireComment: true, MinFields: 1},
	}
}

// dataDir is the default folder: what systemd made for the unit, if it did.
func dataDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	return "/var/lib/tocsin"
}
