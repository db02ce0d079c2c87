package tocsin.tests.process_hidden_by_mount

import data.tocsin.rules.process_hidden_by_mount as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_sb_mount", {"dev_name": "/tmp/empty", "path": "/proc/4711", "type": "", "flags": "MS_BIND"}, {}))

test_match_in_container if fires(testing.event("security_sb_mount", {"dev_name": "tmpfs", "path": "/proc/12", "type": "tmpfs", "flags": "0"}, testing.container))

test_evasion_bind_of_another if fires(testing.event("security_sb_mount", {"dev_name": "/proc/2", "path": "/proc/999", "type": "", "flags": "MS_BIND"}, {}))

test_near_miss_sys if not fires(testing.event("security_sb_mount", {"dev_name": "/proc/sys", "path": "/proc/sys", "type": "", "flags": "MS_BIND"}, {}))

test_near_miss_runtime if not fires(testing.event("security_sb_mount", {"dev_name": "x", "path": "/proc/77/fd/9", "type": "", "flags": "MS_BIND"}, {}))
