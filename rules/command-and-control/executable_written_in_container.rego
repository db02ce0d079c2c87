package tocsin.rules.executable_written_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "executable_written_in_container",
	"version": "1.0.0",
	"name": "New executable written in a container",
	"description": "A process in a container wrote an ELF program or library: an image brings its own, so it was downloaded or compiled.",
	"tags": ["container"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1105",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1105/",
	],
	"false_positives": [
		"Build and CI containers; runtimes that unpack native libraries.",
	],
	"response": "Save the file, see who wrote it, and make the container's root file system read-only.",
}

tracee_selected_events contains {"source": "tracee", "name": "magic_write", "origin": "container"}

tracee_match := {"path": path} if {
	helpers.is_elf_file(helpers.get_tracee_argument("bytes"))
	path := helpers.get_tracee_argument("pathname")
	not tocsin.package_manager
}
