package tocsin.rules.upload_from_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "upload_from_container",
	"version": "1.0.0",
	"name": "File uploaded from a container",
	"description": "curl or wget was told to send a file from a container.",
	"tags": ["container"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1048, T1567",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1048/",
	],
	"false_positives": [
		"Health checks and hooks that post a file; CI jobs that upload results.",
	],
	"response": "The address and the file stand in the arguments: find out what was in the file.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/curl"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	arg in {"-T", "--upload-file", "-F", "--form"}
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/curl"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some form in {"@", "--upload-file=", "--data-binary=@", "-d@", "-T/"}
	startswith(arg, form)
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/wget"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some form in {"--post-file", "--body-file"}
	startswith(arg, form)
}
