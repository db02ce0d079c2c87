package tocsin.rules.tunnel_tool

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "tunnel_tool",
	"version": "1.0.0",
	"name": "Tunnel or proxy tool started",
	"description": "A tool that carries connections out of the network, past the firewall, was started.",
	"tags": ["network"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1572, T1090",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1572/",
		"https://attack.mitre.org/techniques/T1090/",
	],
	"false_positives": [
		"Developers who show work in progress; deployments of cloudflared or tailscale. Except their executables.",
	],
	"response": "See where the tunnel leads (the arguments), stop it, and find who started it.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"path": path, "argv": argv} if {
	tocsin.runs(data.tocsin.lists.tunnel_tools)
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
}
