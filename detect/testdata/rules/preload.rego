package tracee.T_7

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-7",
	"version": "0.1.0",
	"name": "LD_PRELOAD",
	"description": "LD_PRELOAD",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "execve"},
	{"source": "tracee", "name": "security_file_open"},
	{"source": "tracee", "name": "security_inode_rename"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "execve"
	envp := helpers.get_tracee_argument("envp")
	envvar := envp[_]
	startswith(envvar, "LD_PRELOAD")
	res := {"ld_preload": envvar}
}

tracee_match = res {
	input.eventName == "execve"
	envvar := helpers.get_tracee_argument("envp")[_]
	startswith(envvar, "LD_LIBRARY_PATH")
	res := {"ld_library_path": envvar}
}

tracee_match = res {
	input.eventName == "security_file_open"
	flags := helpers.get_tracee_argument("flags")
	helpers.is_file_write(flags)
	pathname := helpers.get_tracee_argument("pathname")
	pathname == "/etc/ld.so.preload"
	res := {"flags": flags}
}

tracee_match {
	input.eventName == "security_inode_rename"
	endswith(helpers.get_tracee_argument("new_path"), "ld.so.preload")
}
