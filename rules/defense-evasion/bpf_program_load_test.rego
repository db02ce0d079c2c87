package tocsin.tests.bpf_program_load

import data.tocsin.rules.bpf_program_load as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_bpf", {"cmd": "BPF_PROG_LOAD"}, {}))

test_match_in_container if fires(testing.event("security_bpf", {"cmd": "BPF_PROG_LOAD"}, testing.container))

test_evasion_comm if fires(testing.event("security_bpf", {"cmd": "BPF_PROG_LOAD"}, {"processName": "systemd"}))

test_near_miss_map if not fires(testing.event("security_bpf", {"cmd": "BPF_MAP_CREATE"}, {}))

test_near_miss_systemd if not fires(testing.event("security_bpf", {"cmd": "BPF_PROG_LOAD"}, testing.by("/usr/lib/systemd/systemd")))

test_near_miss_runc if not fires(testing.event("security_bpf", {"cmd": "BPF_PROG_LOAD"}, testing.by("/usr/bin/runc")))
