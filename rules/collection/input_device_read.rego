package tocsin.rules.input_device_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "input_device_read",
	"version": "1.0.0",
	"name": "Keyboard read directly",
	"description": "A program opened an input device, where it sees every key that is pressed, though it is not part of the desktop or of login.",
	"tags": ["collection"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1056.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1056/001/",
		"https://docs.kernel.org/input/input.html",
	],
	"false_positives": [
		"Remote desktop servers, hotkey daemons, games and device testers (evtest).",
	],
	"response": "Stop the program and find where it stored or sent what it read. Change what was typed.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	startswith(path, "/dev/input/event")
	not input.executable.path in data.tocsin.lists.input_programs
}
