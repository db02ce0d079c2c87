package tocsin.rules.security_tool_stopped

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "security_tool_stopped",
	"version": "1.0.0",
	"name": "Security tool stopped",
	"description": "A service or process that watches the machine was told to stop: with systemctl, service, pkill or killall.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1562.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1562/001/",
	],
	"false_positives": [
		"Maintenance by hand.",
	],
	"response": "Start the service again and look at what happened meanwhile with other means: what it would have seen is not recorded.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_unlink", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exit", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	tocsin.runs({"/systemctl", "/service", "/update-rc.d", "/chkconfig", "/rc-service", "/initctl"})
	argv := helpers.get_tracee_argument("argv")
	some action in argv
	action in {"stop", "disable", "mask", "kill", "off", "remove"}
	some tool in argv
	some service in data.tocsin.lists.security_services
	startswith(tool, service)
	not tocsin.package_manager
}

tracee_match := {"argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	tocsin.runs({"/pkill", "/killall", "/pgrep", "/pidof", "/killall5"})
	argv := helpers.get_tracee_argument("argv")
	some tool in argv
	some service in data.tocsin.lists.security_services
	startswith(tool, service)
}

# Its program is removed, or moved away.
tracee_match := {"path": path} if {
	input.eventName == "security_inode_unlink"
	path := helpers.get_tracee_argument("pathname")
	path in data.tocsin.lists.security_tools
	not tocsin.package_manager
}

tracee_match := {"path": path} if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("old_path")
	path in data.tocsin.lists.security_tools
	not tocsin.package_manager
}

# Killed, by whatever means: SIGKILL is the signal that it could not refuse.
tracee_match := {"path": path, "signal": 9} if {
	input.eventName == "sched_process_exit"
	helpers.get_tracee_argument("signal_code") == 9
	helpers.get_tracee_argument("process_group_exit")
	path := input.executable.path
	path in data.tocsin.lists.security_tools
}
