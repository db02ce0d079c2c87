package tocsin.rules.kernel_module_load

__rego_metadoc__ := {
	"id": "kernel_module_load",
	"version": "1.0.0",
	"name": "Kernel module loaded",
	"description": "A program other than the system's module tools asked the kernel to load a module, or a process in a container did. A module runs with all rights and can hide anything.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1547.006, T1014",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1547/006/",
		"https://attack.mitre.org/techniques/T1014/",
		"https://man7.org/linux/man-pages/man2/init_module.2.html",
	],
	"false_positives": [
		"Drivers with loaders of their own (VirtualBox, some security agents). Add the loader to the list module_tools.",
	],
	"response": "Compare lsmod with /sys/module and the packages' modules, check dmesg for \"taints kernel\". If the module is unknown, the host can no longer be trusted: image its disk and rebuild.",
}

tracee_selected_events contains {"source": "tracee", "name": "init_module", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "finit_module", "origin": "*"}

tracee_match := {"call": input.eventName} if {
	input.eventName in {"init_module", "finit_module"}
	input.origin != "host"
}

tracee_match := {"call": input.eventName} if {
	input.eventName in {"init_module", "finit_module"}
	input.origin == "host"
	not input.executable.path in data.tocsin.lists.module_tools
}
