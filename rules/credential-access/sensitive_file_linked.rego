package tocsin.rules.sensitive_file_linked

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "sensitive_file_linked",
	"version": "1.0.0",
	"name": "Link to a file with secrets",
	"description": "A symbolic or hard link to the password hashes, to SSH keys or to credentials of the cluster was made: the file can be read, or a program of root be led to write it, under another name.",
	"tags": ["credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1003.008, T1552.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1003/008/",
		"https://attack.mitre.org/techniques/T1552/004/",
		"https://man7.org/linux/man-pages/man2/link.2.html",
	],
	"false_positives": [
		"Deployments that link keys from a store into /etc (NixOS, stow).",
	],
	"response": "See who made the link and what read through it. Remove it; a link in a directory where everybody may write aims at a program that runs as root.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "link", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "linkat", "origin": "*"}

tracee_match := {"target": target} if {
	target := linked
	some file in data.tocsin.lists.password_hash_files
	endswith(target, file)
	not tocsin.package_manager
	not input.executable.path in data.tocsin.lists.account_tools
}

tracee_match := {"target": target} if {
	target := linked
	some file in data.tocsin.lists.kubernetes_credentials
	contains(target, file)
	not tocsin.package_manager
	not input.executable.path in data.tocsin.lists.kubernetes_programs
}

tracee_match := {"target": target} if {
	target := linked
	some name in data.tocsin.lists.ssh_private_keys
	contains(target, name)
	not endswith(target, ".pub")
}

# Named from within /etc.
tracee_match := {"target": target} if {
	input.eventName in {"link", "linkat"}
	target := helpers.get_tracee_argument("oldpath")
	target in {"shadow", "gshadow", "./shadow", "./gshadow"}
}

linked := path if {
	input.eventName == "security_inode_symlink"
	path := helpers.get_tracee_argument("target")
}

linked := path if {
	input.eventName in {"link", "linkat"}
	path := helpers.get_tracee_argument("oldpath")
}
