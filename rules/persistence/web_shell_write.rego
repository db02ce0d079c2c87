package tocsin.rules.web_shell_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "web_shell_write",
	"version": "1.0.0",
	"name": "Script written by a web server",
	"description": "A web or application server wrote a script that it would also run: an uploaded web shell looks like this.",
	"tags": ["web"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1505.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1505/003/",
	],
	"false_positives": [
		"Content-management systems that install plug-ins or compile templates through the web.",
	],
	"response": "Read the script, move it away, and look up in the access log which request wrote it and which called it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some extension in {".php", ".php5", ".phtml", ".phar", ".jsp", ".jspx", ".asp", ".aspx", ".cgi", ".cfm"}
	endswith(path, extension)
	some server in data.tocsin.lists.servers
	endswith(input.executable.path, server)
}
