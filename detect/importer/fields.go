package importer

import (
	"fmt"
	"maps"
	"strings"
)

// Definitions of foreign fields in Rego, by event where they differ.

const (
	argv      = `concat(" ", helpers.get_tracee_argument("argv")) if input.eventName == "sched_process_exec"`
	argvRest  = `concat(" ", array.slice(helpers.get_tracee_argument("argv"), 1, 1000)) if input.eventName == "sched_process_exec"`
	procArgs  = `concat(" ", input.process.args) if input.eventName != "sched_process_exec"`
	procRest  = `concat(" ", array.slice(input.process.args, 1, 1000)) if input.eventName != "sched_process_exec"`
	execPath  = `helpers.get_tracee_argument("pathname") if input.eventName == "sched_process_exec"`
	otherPath = `input.executable.path if input.eventName != "sched_process_exec"`
)

// pathEvents are the arguments that hold the path of an event's file.
var pathEvents = map[string]string{
	"security_file_open": "pathname", "security_inode_unlink": "pathname", "security_inode_rename": "new_path", "security_inode_symlink": "linkpath",
	"security_inode_mknod": "file_name", "fchmodat": "pathname", "magic_write": "pathname", "security_sb_mount": "path", "security_mmap_file": "pathname",
	"memfd_create": "name",
}

func paths() []string {
	var out []string
	for _, ev := range []string{"security_file_open", "security_inode_unlink", "security_inode_rename", "security_inode_symlink", "security_inode_mknod", "fchmodat", "magic_write", "security_sb_mount", "security_mmap_file"} {
		out = append(out, `helpers.get_tracee_argument("`+pathEvents[ev]+`") if input.eventName == "`+ev+`"`)
	}
	return out
}

func ofPath(form string) []string {
	var out []string
	for _, p := range paths() {
		arg, cond, _ := strings.Cut(p, " if ")
		out = append(out, strings.ReplaceAll(form, "PATH", arg)+" if "+cond)
	}
	return out
}

const (
	addr      = `helpers.get_tracee_argument("remote_addr")`
	localAddr = `helpers.get_tracee_argument("local_addr")`
)

// commonFields are Falco's names; Sigma's are mapped to them.
var commonFields = map[string][]string{
	"proc.name":                  {`input.processName`},
	"proc.exepath":               {execPath, otherPath},
	"proc.exe":                   {`helpers.get_tracee_argument("argv")[0] if input.eventName == "sched_process_exec"`, `input.process.args[0] if input.eventName != "sched_process_exec"`},
	"proc.cmdline":               {argv, procArgs},
	"proc.args":                  {argvRest, procRest},
	"proc.arg.list":              {`helpers.get_tracee_argument("argv") if input.eventName == "sched_process_exec"`, `input.process.args if input.eventName != "sched_process_exec"`},
	"proc.env":                   {`concat(" ", helpers.get_tracee_argument("env")) if input.eventName == "sched_process_exec"`},
	"proc.pname":                 {`input.process.ancestors[0].comm`},
	"proc.pexepath":              {`input.process.ancestors[0].executable`},
	"proc.pexe":                  {`input.process.ancestors[0].executable`},
	"proc.pcmdline":              {`concat(" ", input.process.ancestors[0].args)`},
	"proc.aname":                 {`[a.comm | some a in input.process.ancestors]`},
	"proc.cwd":                   {`input.process.cwd`},
	"proc.pid":                   {`input.hostProcessId`},
	"proc.vpid":                  {`input.processId`},
	"proc.ppid":                  {`input.hostParentProcessId`},
	"thread.tid":                 {`input.hostThreadId`},
	"user.name":                  {`input.process.user`},
	"user.uid":                   {`input.userId`},
	"user.loginuid":              {`input.loginUserId`},
	"container.id":               {`input.containerId if input.containerId != ""`, `"host" if input.containerId == ""`},
	"container.name":             {`input.container.name if input.containerId != ""`, `"host" if input.containerId == ""`},
	"container.image":            {`input.container.image`},
	"container.image.repository": {`regex.replace(input.container.image, "(@sha256:.*|:[^/:]*)$", "")`},
	"container.image.tag":        {`regex.find_n(":[^/:@]*$", input.container.image, 1)[0]`},
	"container.image.digest":     {`input.container.imageDigest`},
	"k8s.ns.name":                {`input.podNamespace`},
	"k8s.pod.name":               {`input.podName`},
	"fd.name":                    append(paths(), addr+`.sun_path`),
	"fs.path.name":               paths(),
	"fs.path.source":             {`helpers.get_tracee_argument("old_path")`},
	"fs.path.target":             {`helpers.get_tracee_argument("new_path")`},
	"fd.filename":                ofPath(`regex.find_n("[^/]*$", PATH, 1)[0]`),
	"fd.directory":               ofPath(`regex.replace(regex.replace(PATH, "/[^/]*$", ""), "^$", "/")`),
	"fd.nameraw":                 {`helpers.get_tracee_argument("syscall_pathname")`},
	"evt.arg.name":               paths(),
	"evt.arg.path":               paths(),
	"evt.arg.pathname":           paths(),
	"evt.arg.filename":           paths(),
	"evt.arg.oldpath":            {`helpers.get_tracee_argument("old_path")`},
	"evt.arg.newpath":            {`helpers.get_tracee_argument("new_path")`},
	"evt.arg.target":             {`helpers.get_tracee_argument("target")`},
	"evt.arg.linkpath":           {`helpers.get_tracee_argument("linkpath")`},
	"evt.arg.flags":              {`helpers.get_tracee_argument("flags")`},
	"evt.arg.request":            {`helpers.get_tracee_argument("request")`},
	"evt.arg.mode":               {`helpers.get_tracee_argument("mode")`},
	"evt.arg.pid":                {`helpers.get_tracee_argument("pid")`},
	"evt.arg.domain":             {`helpers.get_tracee_argument("family")`},
	"evt.arg.dev":                {`helpers.get_tracee_argument("dev_name")`},
	"fd.rip":                     {addr + `.sin_addr`, addr + `.sin6_addr`},
	"fd.sip":                     {addr + `.sin_addr`, addr + `.sin6_addr`, localAddr + `.sin_addr`, localAddr + `.sin6_addr`},
	"fd.rport":                   {`to_number(` + addr + `.sin_port)`, `to_number(` + addr + `.sin6_port)`},
	"fd.sport":                   {`to_number(` + addr + `.sin_port)`, `to_number(` + addr + `.sin6_port)`, `to_number(` + localAddr + `.sin_port)`, `to_number(` + localAddr + `.sin6_port)`},
	"fd.family":                  {addr + `.sa_family`, localAddr + `.sa_family`},
	"pwd":                        {`helpers.get_tracee_argument("pwd") if input.eventName == "sched_process_exec"`, `input.process.cwd if input.eventName != "sched_process_exec"`},
	"parent.user":                {`input.process.ancestors[0].user`},
}

func listField(f string) bool { return f == "proc.aname" || f == "proc.arg.list" }

func numberField(f string) bool {
	switch f {
	case "proc.pid", "proc.vpid", "proc.ppid", "thread.tid", "user.uid", "user.loginuid", "fd.rport", "fd.sport", "evt.arg.pid":
		return true
	}
	return false
}

// withWritten are the common fields, those that depend on how a file is opened, and the ancestors'.
var withWritten = func() map[string][]string {
	m := map[string][]string{
		"file.written": {`"true" if helpers.is_file_write(helpers.get_tracee_argument("flags"))`},
		"file.read":    {`"true" if helpers.is_file_read(helpers.get_tracee_argument("flags"))`},
		"fd.type": {
			`"ipv4" if ` + addr + `.sa_family == "AF_INET"`, `"ipv6" if ` + addr + `.sa_family == "AF_INET6"`, `"unix" if ` + addr + `.sa_family == "AF_UNIX"`,
			`"ipv4" if ` + localAddr + `.sa_family == "AF_INET"`, `"ipv6" if ` + localAddr + `.sa_family == "AF_INET6"`, `"unix" if ` + localAddr + `.sa_family == "AF_UNIX"`,
		},
		"fd.typechar": {
			`"4" if ` + addr + `.sa_family == "AF_INET"`, `"6" if ` + addr + `.sa_family == "AF_INET6"`, `"u" if ` + addr + `.sa_family == "AF_UNIX"`,
			`"4" if ` + localAddr + `.sa_family == "AF_INET"`, `"6" if ` + localAddr + `.sa_family == "AF_INET6"`, `"u" if ` + localAddr + `.sa_family == "AF_UNIX"`,
		},
	}
	for k, v := range commonFields {
		m[k] = v
	}
	for n := 1; n <= 8; n++ {
		for _, member := range []string{"comm", "executable"} {
			m[fmt.Sprintf("ancestor.%d.%s", n, member)] = []string{fmt.Sprintf("input.process.ancestors[%d].%s", n-1, member)}
		}
	}
	return m
}()

// falcoFields are what Falco's rules can ask for. A command line begins with the name of the process there, not with its
// first argument.
var falcoFields = func() map[string][]string {
	m := maps.Clone(withWritten)
	line := func(name, args string) string {
		return `concat(" ", array.concat([` + name + `], array.slice(` + args + `, 1, 1000)))`
	}
	m["proc.cmdline"] = []string{
		line("input.processName", `helpers.get_tracee_argument("argv")`) + ` if input.eventName == "sched_process_exec"`,
		line("input.processName", "input.process.args") + ` if input.eventName != "sched_process_exec"`,
	}
	m["proc.pcmdline"] = []string{line("input.process.ancestors[0].comm", "input.process.ancestors[0].args")}
	m["proc.pexe"] = []string{"input.process.ancestors[0].args[0]"}
	return m
}()
