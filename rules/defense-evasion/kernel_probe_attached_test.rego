package tocsin.tests.kernel_probe_attached

import data.tocsin.rules.kernel_probe_attached as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_bpf if fires(testing.event("bpf_attach", {"prog_type": "BPF_PROG_TYPE_KPROBE", "symbol_name": "do_sys_open"}, {}))

test_match_kprobe if fires(testing.event("kprobe_attach", {"symbol_name": "do_sys_open"}, testing.container))

test_evasion_through_tracefs if fires(testing.opened("/sys/kernel/tracing/kprobe_events", "O_WRONLY|O_APPEND", {}))

test_evasion_through_debugfs if fires(testing.opened("/sys/kernel/debug/tracing/kprobe_events", "O_WRONLY", {}))

test_near_miss_read if not fires(testing.opened("/sys/kernel/tracing/kprobe_events", "O_RDONLY", {}))

test_near_miss_agent if not fires(testing.event("bpf_attach", {"symbol_name": "do_sys_open"}, testing.by("/usr/bin/tetragon")))

test_near_miss_runtime if not fires(testing.event("bpf_attach", {"symbol_name": ""}, testing.by("/usr/sbin/runc")))
