package tocsin.rules.package_manager_command

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "package_manager_command",
	"version": "1.0.0",
	"name": "Package manager used to run a command",
	"description": "A package manager was given a hook or a macro on its command line that runs a command: a known way to act under its name, which other rules trust.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1059.004, T1546.016",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1546/016/",
		"https://gtfobins.github.io/gtfobins/apt-get/",
	],
	"false_positives": [
		"Image builds that pass a clean-up hook to apt on the command line.",
	],
	"response": "Look at the command in the argument, and at what the package manager's children did: other rules do not report them.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs(data.tocsin.lists.package_tools)
	some arg in argv
	some hook in {"-Invoke", "Pre-Install-Pkgs", "Post-Install-Pkgs", "Dir::Bin::", "Changelogs::Always", "--pre-invoke=", "--post-invoke=", "--status-logger=", "--eval=%(", "%{lua:", "%(sh", "%(/bin/"}
	contains(lower(arg), lower(hook))
}
