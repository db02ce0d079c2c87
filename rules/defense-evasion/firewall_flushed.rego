package tocsin.rules.firewall_flushed

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "firewall_flushed",
	"version": "1.0.0",
	"name": "Firewall rules removed",
	"description": "All rules of the host's firewall were removed, or it was turned off.",
	"tags": ["evasion", "network"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1562.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1562/004/",
		"https://man7.org/linux/man-pages/man8/iptables.8.html",
	],
	"false_positives": [
		"Scripts that load a whole new set of rules after the flush. Except their parent.",
	],
	"response": "Restore the rules from their file, and look at connections that were made meanwhile.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	tocsin.runs({"/xtables-nft-multi", "/xtables-legacy-multi", "/iptables", "/ip6tables", "/iptables-nft", "/iptables-legacy"})
	argv := helpers.get_tracee_argument("argv")
	some flush in {"-F", "--flush"}
	flush in argv
	not "-t" in argv
	not "--table" in argv
	not tocsin.parent_in(data.tocsin.lists.firewall_programs)
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/xtables-nft-multi", "/xtables-legacy-multi", "/iptables", "/ip6tables", "/iptables-nft", "/iptables-legacy"})
	argv := helpers.get_tracee_argument("argv")
	some flush in {"-F", "--flush"}
	flush in argv
	some table in {"filter", "-tfilter", "--table=filter"}
	table in argv
	not tocsin.parent_in(data.tocsin.lists.firewall_programs)
}

# What the rules no longer decide is let through.
tracee_match := {"argv": argv} if {
	tocsin.runs({"/xtables-nft-multi", "/xtables-legacy-multi", "/iptables", "/ip6tables", "/iptables-nft", "/iptables-legacy"})
	argv := helpers.get_tracee_argument("argv")
	some policy in {"-P", "--policy"}
	policy in argv
	"INPUT" in argv
	"ACCEPT" in argv
	not tocsin.parent_in(data.tocsin.lists.firewall_programs)
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/nft"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	contains(arg, "ruleset")
	some command in argv
	startswith(command, "flush")
	not tocsin.parent_in(data.tocsin.lists.firewall_programs)
}

# ufw is a script: given to its interpreter as a file.
tracee_match := {"argv": argv} if {
	tocsin.runs(data.tocsin.lists.interpreters)
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	endswith(arg, "/ufw")
	some action in {"disable", "reset"}
	action in argv
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/ufw"})
	argv := helpers.get_tracee_argument("argv")
	some action in {"disable", "reset"}
	action in argv
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/systemctl"})
	argv := helpers.get_tracee_argument("argv")
	some action in {"stop", "disable", "mask"}
	action in argv
	some service in argv
	some firewall in {"firewalld", "nftables", "iptables", "ufw"}
	startswith(service, firewall)
}
