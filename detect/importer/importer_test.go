package importer_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/importer"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

const falcoFile = `
- required_engine_version: 0.31.0
- list: shell_binaries
  items: [bash, dash, sh]
- list: all_shells
  items: [shell_binaries, zsh]
- macro: spawned_process
  condition: (evt.type in (execve, execveat) and evt.dir=<)
- macro: container
  condition: (container.id != host)
- macro: open_write
  condition: (evt.type in (open,openat,openat2) and evt.is_open_write=true and fd.typechar='f' and fd.num>=0)
- rule: Terminal shell in container
  desc: A shell was used in a container.
  condition: spawned_process and container and proc.name in (all_shells) and not proc.pname in (shell_binaries, "run it")
  output: "shell (user=%user.name)"
  priority: NOTICE
  tags: [container, shell, mitre_execution, T1059]
- rule: Write below etc
  desc: Someone wrote below /etc.
  condition: open_write and fd.name startswith /etc and not (proc.name = dpkg or proc.cmdline contains "apt-get upgrade") and not fd.name pmatch (/etc/alternatives, /etc/ssl)
  priority: ERROR
  tags: [filesystem, T1543]
- rule: Miner port
  desc: x
  condition: evt.type=connect and fd.rport in (3333, 14444) and user.uid != 0
  priority: CRITICAL
- rule: Unknown field
  desc: x
  condition: spawned_process and proc.sid.exe = "x"
  priority: ERROR
- rule: Unknown macro
  desc: x
  condition: spawned_process and never_true_here
  priority: ERROR
- rule: Kubernetes audit
  desc: x
  condition: ka.verb = create
  source: k8s_audit
  priority: ERROR
- rule: Miner port
  enabled: false
`

func load(t *testing.T, res *importer.Result) []detect.Rule {
	t.Helper()
	files := fstest.MapFS{}
	for _, r := range res.Rules {
		files[r.File] = &fstest.MapFile{Data: []byte(r.Rego)}
	}
	rules, errs := detect.Load(detect.Source{FS: files, Name: "imported"})
	for _, err := range errs {
		t.Errorf("%v\n%v", err, res.Rules)
	}
	if check := detect.Check(detect.CheckOptions{}, detect.Source{FS: files, Name: "imported"}); check.Errors > 0 {
		t.Errorf("%v", check.Diagnostics)
	}
	return rules
}

type occurrence struct {
	name      string
	args      map[string]any
	comm      string
	uid       uint32
	container bool
	parent    string
	exe       string
}

// fired returns the ids of the rules that match.
func fired(t *testing.T, rules []detect.Rule, o occurrence) string {
	t.Helper()
	b := event.New(event.ByName(o.name))
	b.Header().SetComm(o.comm)
	b.Header().UID = o.uid
	for k, v := range o.args {
		if err := b.Set(k, v); err != nil {
			t.Fatal(err)
		}
	}
	ev := b.Event()
	if o.container {
		ev.Container = &event.Container{ID: "abc", Image: "img:1"}
		ev.Flags |= event.FlagContainer | event.FlagContainerStarted
	}
	ev.Process = &event.Process{Comm: o.comm, Executable: o.exe}
	if o.parent != "" {
		ev.Process.Ancestors = []*event.Process{{Comm: o.parent, Executable: "/usr/bin/" + o.parent}}
	}
	var ids []string
	e, err := detect.New(detect.Options{Rules: rules, Enable: []string{"falco_miner_port", "falco_outbound"}, Sink: func(h detect.Hit) { ids = append(ids, h.Finding().Rule.ID) }})
	if err != nil {
		t.Fatal(err)
	}
	e.Handle(ev)
	return strings.Join(ids, " ")
}

func TestFalco(t *testing.T) {
	res := importer.Falco(importer.File{Name: "falco.yaml", Text: []byte(falcoFile)})
	rules := load(t, res)
	if len(rules) != 3 {
		t.Fatalf("%d rules", len(rules))
	}
	var problems []string
	for _, p := range res.Problems {
		problems = append(problems, p.String())
	}
	text := strings.Join(problems, "\n")
	for _, want := range []string{`"Unknown field": field proc.sid.exe is not carried`, `"Unknown macro": macro "never_true_here" is not in the files`, `"Kubernetes audit": its source is k8s_audit`} {
		if !strings.Contains(text, want) {
			t.Errorf("no problem %s in\n%s", want, text)
		}
	}
	for _, r := range rules {
		m := r.Metadata()
		switch m.ID {
		case "falco_terminal_shell_in_container":
			if m.Severity != finding.Low || len(m.Attack) != 1 || m.Attack[0].Technique.ID != "T1059" {
				t.Errorf("%+v", m)
			}
		case "falco_miner_port":
			if !m.Disabled || m.Severity != finding.Critical {
				t.Errorf("%+v", m)
			}
		}
	}
	sh := map[string]any{"pathname": "/bin/sh", "argv": []string{"sh"}}
	for _, c := range []struct {
		occurrence
		want string
	}{
		{occurrence{name: "sched_process_exec", args: sh, comm: "sh", container: true, parent: "runc"}, "falco_terminal_shell_in_container"},
		{occurrence{name: "sched_process_exec", args: sh, comm: "zsh", container: true}, "falco_terminal_shell_in_container"},
		{occurrence{name: "sched_process_exec", args: sh, comm: "sh", container: true, parent: "bash"}, ""},
		{occurrence{name: "sched_process_exec", args: sh, comm: "sh", container: true, parent: "run it"}, ""},
		{occurrence{name: "sched_process_exec", args: sh, comm: "sh"}, ""},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/x", "flags": "O_WRONLY"}, comm: "vi"}, "falco_write_below_etc"},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/x", "flags": "O_RDONLY"}, comm: "vi"}, ""},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/x", "flags": "O_WRONLY"}, comm: "dpkg"}, ""},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/ssl/x", "flags": "O_WRONLY"}, comm: "vi"}, ""},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/ssl2", "flags": "O_WRONLY"}, comm: "vi"}, "falco_write_below_etc"},
		{occurrence{name: "security_socket_connect", args: map[string]any{"remote_addr": event.Sockaddr{Family: event.AFInet, Port: 3333}}, uid: 5}, "falco_miner_port"},
		{occurrence{name: "security_socket_connect", args: map[string]any{"remote_addr": event.Sockaddr{Family: event.AFInet, Port: 3333}}}, ""},
	} {
		if got := fired(t, rules, c.occurrence); got != c.want {
			t.Errorf("%+v: %q, want %q", c.occurrence, got, c.want)
		}
	}
}

const falcoBase = `
- macro: never_true
  condition: (evt.num=0)
- macro: user_known_shells
  condition: (never_true)
- list: shells
  items: [bash, sh]
- list: tools
  items: [puppet]
- macro: out
  condition: >
    (((evt.type = connect and evt.dir=<) or (evt.type in (sendto, sendmsg) and fd.l4proto != tcp)) and
    (fd.typechar = 4 or fd.typechar = 6) and fd.net != "127.0.0.0/8" and not fd.snet in ("10.0.0.0/8") and (evt.rawres >= 0 or evt.res = EINPROGRESS))
- rule: Shell
  desc: x
  condition: evt.type = execve and proc.name in (shells) and not user_known_shells
  priority: NOTICE
  exceptions:
    - name: empty
      fields: [proc.name, proc.pname]
    - name: parents
      fields: proc.pname
      values: [cron, tools]
    - name: pair
      fields: [proc.cmdline, user.uid]
      comps: [startswith, in]
      values:
        - ["sh -l", [5, 6]]
- rule: Outbound
  desc: x
  condition: out
  priority: ERROR
- rule: Same command
  desc: x
  condition: evt.type = execve and proc.cmdline regex "nc -[a-z]+" and fd.directory exists
  priority: ERROR
- rule: Nc
  desc: x
  condition: evt.type = execve and proc.cmdline regex "nc -[a-z]+"
  priority: ERROR
- rule: Redirected
  desc: x
  condition: evt.type in (dup, futex) and evt.rawres in (0, 1, 2)
  priority: ERROR
- rule: Root file
  desc: x
  condition: evt.type = unlink and fd.directory = /
  priority: ERROR
`

const falcoLocal = `
- list: shells
  items: [fish]
  override: {items: append}
- rule: Shell
  condition: and not proc.pname = make
  exceptions:
    - name: parents
      values: [ansible]
  priority: CRITICAL
  override: {condition: append, priority: replace, exceptions: append}
- rule: Outbound
  enabled: false
  override: {enabled: replace}
- rule: Nowhere
  append: true
  condition: and proc.name = x
- list: nolist
  append: true
  items: [x]
- rule: Many
  desc: x
  condition: evt.type = execve and proc.tty != 0 and proc.sid.exe = y and not no_such_macro and evt.res startswith E
  priority: ERROR
- rule: Stranger
  desc: x
  condition: evt.type in (execve, futex) and proc.name in (stranger_binaries, sh)
  priority: HIGH
- rule: nc
  desc: x
  condition: evt.type = execve
  priority: ERROR
`

// What later files append or override, and what exceptions leave out, is as in Falco.
func TestFalcoFiles(t *testing.T) {
	res := importer.Join(importer.Falco(importer.File{Name: "base.yaml", Text: []byte(falcoBase)}, importer.File{Name: "local.yaml", Text: []byte(falcoLocal)}))
	var problems []string
	for _, p := range res.Problems {
		problems = append(problems, p.String())
	}
	text := strings.Join(problems, "\n")
	for _, want := range []string{
		`local.yaml: "Nowhere": it changes a rule that is not in the files`, `local.yaml: "nolist": it appends to a list that is not in the files`,
		`"Many": field proc.tty is not carried`, `"Many": field proc.sid.exe is not carried`, `"Many": macro "no_such_macro"`, `"Many": evt.res startswith E`,
		`"Stranger": evt.type futex: no event of Tocsin stands for it (note`, `"Stranger": stranger_binaries is taken for a text`, `"Stranger": priority "HIGH"`,
		`base.yaml: "Outbound": evt.type sendto`, `base.yaml: "Outbound": fd.net: only the address of the other side`,
		`"Redirected": evt.rawres = 0, 1, 2: the events are`,
		`"Same command": it asks for fields that its events never have`,
		`local.yaml: "nc": an earlier rule, "Nc", has its id`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no problem %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `"Redirected": evt.type`) {
		t.Errorf("a rule that is not written is said to be written without something:\n%s", text)
	}
	rules := load(t, res)
	for _, r := range rules {
		if m := r.Metadata(); m.ID == "falco_shell" && m.Severity != finding.Critical || m.ID == "falco_outbound" && (!m.Disabled || m.Severity != finding.High) {
			t.Errorf("%+v", m)
		}
	}
	exec := func(comm, parent string, uid uint32, argv ...string) occurrence {
		return occurrence{name: "sched_process_exec", args: map[string]any{"pathname": "/bin/" + comm, "argv": argv}, comm: comm, parent: parent, uid: uid}
	}
	connect := func(a, b, c, d byte) occurrence {
		addr := event.Sockaddr{Family: event.AFInet, Port: 80, Addr: netip.AddrFrom4([4]byte{a, b, c, d})}
		return occurrence{name: "security_socket_connect", args: map[string]any{"remote_addr": addr}}
	}
	unlink := func(path string) occurrence {
		return occurrence{name: "security_inode_unlink", args: map[string]any{"pathname": path}}
	}
	for _, c := range []struct {
		occurrence
		want string
	}{
		{exec("fish", "sshd", 0, "fish"), "falco_shell"},
		{exec("fish", "make", 0, "fish"), ""},
		{exec("bash", "cron", 0, "bash"), ""},
		{exec("bash", "puppet", 0, "bash"), ""},
		{exec("bash", "ansible", 0, "bash"), ""},
		{exec("sh", "sshd", 5, "/bin/sh", "-l"), ""},
		{exec("bash", "sshd", 7, "/bin/sh", "-l"), "falco_shell"},
		{exec("nc", "sshd", 0, "/usr/bin/nc", "-lk"), "falco_nc"},
		{exec("nc", "sshd", 0, "nc", "-l", "80"), ""},
		{connect(10, 1, 1, 1), ""},
		{connect(127, 0, 0, 1), ""},
		{connect(8, 8, 8, 8), "falco_outbound"},
		{unlink("/x"), "falco_root_file"},
		{unlink("/etc/x"), ""},
	} {
		if got := strings.TrimSpace(strings.ReplaceAll(fired(t, rules, c.occurrence), "falco_stranger", "")); got != c.want {
			t.Errorf("%+v: %q, want %q", c.occurrence, got, c.want)
		}
	}
}

const sigmaFile = `
title: Base64 Shell
id: 11111111-2222-3333-4444-555555555555
description: decodes and runs
references: [https://example.org]
tags: [attack.defense_evasion, attack.t1027]
level: high
falsepositives: [Unknown]
logsource: {product: linux, category: process_creation}
detection:
  tool:
    Image|endswith: ['/base64', '/openssl']
    CommandLine|contains|all: [' -d', 'PIPE']
  pattern:
    - CommandLine|contains: '*base64*'
    - CommandLine|re: 'open.*ssl'
  filter_main:
    ParentImage|endswith: '/cron'
  filter_user:
    User: nobody
  condition: all of (tool) and pattern and not 1 of filter_*
---
title: Cron File
level: medium
logsource: {product: linux, category: file_event}
detection:
  selection:
    TargetFilename|startswith: ['/etc/cron.d/', '/var/spool/cron/']
  condition: selection
---
title: Reverse
level: critical
logsource: {product: linux, category: network_connection}
detection:
  selection: {Image|endswith: /bash, Initiated: 'true'}
  net: {DestinationIp|cidr: 10.0.0.0/8}
  condition: selection and not net
---
title: Flags
logsource: {product: linux, category: process_creation}
detection: {a: {CommandLine|re|i: '^FLAGS a', ParentImage|exists: true}, b: {CurrentDirectory|exists: false}, condition: a and not b or a}
---
title: Two of
logsource: {product: linux, category: process_creation}
detection: {a1: {Image: x}, a2: {Image: y}, condition: 2 of a*}
---
title: Audit
logsource: {product: linux, service: auditd}
detection: {a: {type: EXECVE}, condition: a}
---
title: Windash
logsource: {product: linux, category: process_creation}
detection: {a: {CommandLine|windash: -x, Hashes: y}, condition: a}
---
title: Keywords
logsource: {product: linux, category: process_creation}
detection: {a: [x, y], condition: a | count() > 5}
`

func TestSigma(t *testing.T) {
	res := importer.Sigma("sigma.yml", []byte(strings.Replace(sigmaFile, "all of (tool)", "all of tool*", 1)))
	rules := load(t, res)
	if len(rules) != 4 {
		t.Fatalf("%d rules, %v", len(rules), res.Problems)
	}
	var problems []string
	for _, p := range res.Problems {
		problems = append(problems, p.String())
	}
	text := strings.Join(problems, "\n")
	for _, want := range []string{`"Audit": log source category ""`, `"Windash": modifier windash`, `"Windash": field Hashes`, `"Keywords": selection a: keywords`, `"Two of": condition: 2 of: only`} {
		if !strings.Contains(text, want) {
			t.Errorf("no problem %s in\n%s", want, text)
		}
	}
	exec := func(path string, argv ...string) map[string]any {
		return map[string]any{"pathname": path, "argv": argv}
	}
	for _, c := range []struct {
		occurrence
		want string
	}{
		{occurrence{name: "sched_process_exec", args: exec("/usr/bin/BASE64", "Base64", "-D", "pipe")}, "sigma_base64_shell"},
		{occurrence{name: "sched_process_exec", args: exec("/usr/bin/base64", "x", "-d", "pipe")}, ""},
		{occurrence{name: "sched_process_exec", args: exec("/usr/bin/base64", "base64", "-d")}, ""},
		{occurrence{name: "sched_process_exec", args: exec("/usr/bin/base64", "base64", "-d", "pipe"), parent: "cron"}, ""},
		{occurrence{name: "sched_process_exec", args: exec("/bin/flags", "Flags", "a"), parent: "sh"}, "sigma_flags"},
		{occurrence{name: "sched_process_exec", args: exec("/bin/flags", "Flags", "a")}, ""},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/cron.d/x", "flags": "O_RDWR"}}, "sigma_cron_file"},
		{occurrence{name: "security_file_open", args: map[string]any{"pathname": "/etc/cron.d/x", "flags": "O_RDONLY"}}, ""},
		{occurrence{name: "security_inode_rename", args: map[string]any{"new_path": "/etc/cron.d/x"}}, "sigma_cron_file"},
		{occurrence{name: "security_socket_connect", exe: "/bin/bash", args: map[string]any{"remote_addr": event.Sockaddr{Family: event.AFInet}}}, "sigma_reverse"},
		{occurrence{name: "security_socket_connect", exe: "/bin/cat", args: map[string]any{"remote_addr": event.Sockaddr{Family: event.AFInet}}}, ""},
	} {
		if got := fired(t, rules, c.occurrence); got != c.want {
			t.Errorf("%+v: %q, want %q", c.occurrence, got, c.want)
		}
	}
}

// Whatever is imported must load.
func TestImportedRulesLoad(t *testing.T) {
	for _, cond := range []string{
		"evt.type in (open, connect) and fd.rport = 80", "evt.type = execve and not fd.name exists", "evt.type = ptrace and evt.arg.request contains POKE and proc.aname in (a, b)",
		"evt.type = openat and (fd.filename = shadow or fd.directory in (/etc, /root)) and container.image.repository != x", "evt.type=unlink and proc.aname[2]=x and fd.name glob /var/log/*",
		"evt.type in (unlink, rename) and (evt.arg.name contains x or evt.arg.oldpath startswith /bin/)", "evt.type = symlinkat and evt.arg.target in (/etc, /root)",
		"evt.type=execve and proc.args icontains \"-C \\\"x\\\"\"", "evt.type=connect and fd.type in (ipv4, ipv6) and fd.sip != \"127.0.0.1\" and evt.rawres >= 0",
	} {
		res := importer.Falco(importer.File{Name: "x", Text: []byte("- rule: some rule\n  desc: x\n  priority: ERROR\n  condition: >\n    " + cond + "\n")})
		if rules := load(t, res); len(rules) != 1 {
			t.Errorf("%s: %v", cond, res.Problems)
		}
	}
}

func FuzzFalco(f *testing.F) {
	f.Add([]byte(falcoFile))
	f.Add([]byte("- rule: x\n  condition: a.b[1 = (c, \"d\n"))
	f.Fuzz(func(t *testing.T, src []byte) { importer.Falco(importer.File{Name: "x", Text: src}) })
}

func FuzzSigma(f *testing.F) {
	f.Add([]byte(sigmaFile))
	f.Fuzz(func(t *testing.T, src []byte) { importer.Sigma("x", src) })
}
