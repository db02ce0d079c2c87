package tocsin.tests.proc_listing_hooked

import data.tocsin.rules.proc_listing_hooked as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

operations(list) := testing.event("hooked_proc_fops", {"hooked_fops_pointers": list}, {})

sequences(map) := testing.event("hooked_seq_ops", {"hooked_seq_ops": map}, {})

test_match_processes if fires(operations([{"SymbolName": "iterate_shared", "ModuleOwner": "reptile", "Path": "/proc"}]))

test_match_connections if fires(sequences({"tcp4_seq_ops_show": {"SymbolName": "hook_show", "ModuleOwner": "reptile"}}))

test_evasion_whole_operations if {
	fires(operations([{"SymbolName": "struct file_operations pointer", "ModuleOwner": "reptile", "Path": "/proc"}]))
}

test_evasion_hidden_module if fires(sequences({"udp_seq_ops_show": {"SymbolName": "", "ModuleOwner": "hidden"}}))

test_near_miss_no_file if not fires(operations([]))

test_near_miss_no_sequence if not fires(sequences({}))
