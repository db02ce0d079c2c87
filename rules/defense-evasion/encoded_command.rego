package tocsin.rules.encoded_command

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "encoded_command",
	"version": "1.0.0",
	"name": "Encoded text run as a command",
	"description": "A shell or an interpreter was told to decode something and to run the result: a way to hide commands from those who read logs.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1140, T1027",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1140/",
	],
	"false_positives": [
		"Ansible and other remote-execution tools that send their modules encoded; cloud-init user data.",
	],
	"response": "Decode the argument and read it; then look at what the command started.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.interpreter
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some decode in {"base64 -d", "base64 --decode", "base64 -D", "openssl enc -d", "openssl base64 -d", "xxd -r", "b64decode", "decode_base64", "base64_decode"}
	contains(arg, decode)
	some run in {"| sh", "|sh", "| bash", "|bash", "| /bin/", "|/bin/", "| python", "|python", "| perl", "|perl", "eval", "exec(", "sh <(", "bash <(", "bash -c \"$(", "sh -c \"$("}
	contains(arg, run)
}
