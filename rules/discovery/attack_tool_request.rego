package tocsin.rules.attack_tool_request

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "attack_tool_request",
	"version": "1.0.0",
	"name": "Request of an attack tool",
	"description": "A process in a container sent an HTTP request that names a scanner or another attack tool as its user agent. Servers, which pass on requests of others, are not looked at.",
	"tags": ["container", "network", "discovery"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1046, T1190",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1046/",
		"https://attack.mitre.org/techniques/T1595/002/",
	],
	"false_positives": [
		"Scanners of your own, and proxies that are not in the list servers.",
	],
	"response": "Unless a test is under way, the container is in somebody's hands, who looks for the next one: see its process's ancestors, and what answered.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_http_request", "origin": "container"}

tracee_match := {"agent": agent, "host": request.host, "path": request.uri_path} if {
	request := helpers.get_tracee_argument("http_request")
	some agent in request.headers["User-Agent"]
	name := lower(agent)
	some part in data.tocsin.lists.attack_tool_agents
	contains(name, part)
	not tocsin.server
}
