package tocsin.rules.preloaded_library

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "preloaded_library",
	"version": "1.0.0",
	"name": "Library of a writable directory preloaded",
	"description": "A program was started with LD_PRELOAD, LD_AUDIT or LD_LIBRARY_PATH naming a directory that everybody may write.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1574.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1574/006/",
		"https://man7.org/linux/man-pages/man8/ld.so.8.html",
	],
	"false_positives": [
		"Test suites and build tools that build a library and preload it in place.",
	],
	"response": "Save the library, and see which programs have it mapped (grep it in /proc/*/maps).",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"variables": variables} if {
	some variable in helpers.get_tracee_argument("env")
	some name in {"LD_PRELOAD=", "LD_AUDIT=", "LD_LIBRARY_PATH="}
	startswith(variable, name)
	some directory in {"/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"}
	contains(variable, directory)
	not tocsin.build_program
}

# A library that is not among the libraries: in a home, hidden, found by a relative path, or in no directory at all.
tracee_match := {"variables": variables} if {
	some variable in helpers.get_tracee_argument("env")
	some name in {"LD_PRELOAD=", "LD_AUDIT="}
	startswith(variable, name)
	some place in {"=/home/", "=/root/", "=/var/www/", "=/proc/", ":/home/", ":/root/", ":/proc/", "/.", "=.", "memfd:"}
	contains(variable, place)
	not tocsin.build_program
}

variables := [variable |
	some variable in helpers.get_tracee_argument("env")
	some name in {"LD_PRELOAD=", "LD_AUDIT=", "LD_LIBRARY_PATH="}
	startswith(variable, name)
]
