package tracee.T_10

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-10",
	"version": "0.1.0",
	"name": "release_agent",
	"description": "release_agent",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "security_file_open", "origin": "container"},
	{"source": "tracee", "name": "security_inode_rename", "origin": "container"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "security_file_open"
	pathname := helpers.get_tracee_argument("pathname")
	endswith(pathname, "/release_agent")
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	res := {"pathname": pathname}
}

tracee_match {
	input.eventName == "security_inode_rename"
	endswith(helpers.get_tracee_argument("new_path"), "/release_agent")
}
