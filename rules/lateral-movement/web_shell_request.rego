package tocsin.rules.web_shell_request

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "web_shell_request",
	"version": "1.0.0",
	"name": "Request to a web shell",
	"description": "A process in a container asked a web server for a file that is called like a known web shell: somebody steers another machine from here, or looks for shells that others left. Servers, which pass on requests of others, are not looked at.",
	"tags": ["container", "network"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1210, T1505.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1505/003/",
		"https://attack.mitre.org/techniques/T1210/",
	],
	"false_positives": [
		"Scanners of your own, and proxies that are not in the list servers.",
	],
	"response": "Look at the server that was asked: whether the file is there, and what it answered. Then see who asks: the container is in somebody's hands.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_http_request", "origin": "container"}

tracee_match := {"method": request.method, "host": request.host, "path": request.uri_path} if {
	request := helpers.get_tracee_argument("http_request")
	path := lower(request.uri_path)
	some name in data.tocsin.lists.web_shell_names
	names(path, name)
	not tocsin.server
}

names(path, name) if endswith(path, name)

# What follows is the script's to read: "c99.php/x", and for servers of Java "tunnel.jsp;x".
names(path, name) if contains(path, concat("", [name, "/"]))

names(path, name) if contains(path, concat("", [name, ";"]))
