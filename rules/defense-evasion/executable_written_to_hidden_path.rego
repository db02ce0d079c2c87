package tocsin.rules.executable_written_to_hidden_path

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "executable_written_to_hidden_path",
	"version": "1.0.0",
	"name": "Executable written to a hidden path",
	"description": "An ELF program or library was written under a hidden name into a system, temporary or device directory.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1564.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1564/001/",
	],
	"false_positives": [
		"Build tools that stage files in hidden directories of /tmp.",
	],
	"response": "Save the file and find who wrote it.",
}

tracee_selected_events contains {"source": "tracee", "name": "magic_write", "origin": "*"}

tracee_match := {"path": path} if {
	helpers.is_elf_file(helpers.get_tracee_argument("bytes"))
	path := helpers.get_tracee_argument("pathname")
	contains(path, "/.")
	some directory in data.tocsin.lists.hiding_places
	startswith(path, directory)
	not tocsin.package_manager
}
