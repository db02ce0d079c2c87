# What the tests of the built-in rules share.
package tocsin.testing

# event makes a document of the named event with its arguments; more overrides its fields.
event(name, args, more) := object.union(
	{
		"eventName": name,
		"origin": "host",
		"containerId": "",
		"processId": 4000,
		"hostProcessId": 4000,
		"processName": "program",
		"userId": 0,
		"returnValue": 0,
		"executable": {"path": "/opt/program"},
		"process": {
			"executable": "/opt/program",
			"args": ["program"],
			"ancestors": [{"executable": "/opt/parent", "comm": "parent"}],
		},
		"args": [{"name": key, "value": value} | some key, value in args],
	},
	more,
)

container := {
	"origin": "container",
	"containerId": "3f1b7d3bfa6c0b4ac3a7d4d8b2d1fdc2c0b6a0f5e4d3c2b1a09f8e7d6c5b4a39",
	"contextFlags": {"containerStarted": true},
}

# by makes fields for an event of that program.
by(path) := {"executable": {"path": path}, "process": {"executable": path}}

# runtime makes fields for an event of a container runtime's child that still runs its program.
runtime := {
	"executable": {"path": "/usr/bin/runc"},
	"process": {"executable": "/usr/bin/runc", "ancestors": [{"executable": "/usr/bin/runc"}]},
}

# child_of makes fields for an event of a program that another one started.
child_of(path) := {"process": {"ancestors": [{"executable": path}]}}

opened(path, flags, more) := event("security_file_open", {"pathname": path, "flags": flags}, more)

renamed(old, new, more) := event("security_inode_rename", {"old_path": old, "new_path": new}, more)

linked(path, target, more) := event("security_inode_symlink", {"linkpath": path, "target": target}, more)

executed(path, argv, more) := event(
	"sched_process_exec",
	{"cmdpath": path, "pathname": path, "argv": argv},
	object.union(by(path), more),
)

asked(name, type, more) := event(
	"net_packet_dns_request",
	{
		"metadata": {"src_ip": "10.0.0.2", "dst_ip": "10.0.0.1", "src_port": 40000, "dst_port": 53, "protocol": 17, "packet_len": 60, "iface": "eth0"},
		"dns_questions": [{"query": name, "query_type": type, "query_class": "IN"}],
	},
	more,
)

requested(method, host, path, more) := event(
	"net_packet_http_request",
	{
		"metadata": {"src_ip": "10.0.0.2", "dst_ip": "10.0.0.1", "src_port": 40000, "dst_port": 80, "protocol": 6, "packet_len": 200, "iface": "eth0"},
		"http_request": {"method": method, "protocol": "HTTP/1.1", "host": host, "uri_path": path, "headers": {}, "content_length": 0},
	},
	more,
)

# selects tells whether one of a rule's selectors names the event.
selects(selectors, ev) if {
	some selector in selectors
	object.get(selector, "name", ev.eventName) == ev.eventName
	object.get(selector, "origin", "*") in {ev.origin, "*"}
}
