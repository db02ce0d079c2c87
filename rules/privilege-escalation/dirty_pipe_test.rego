package tocsin.tests.dirty_pipe

import data.tocsin.rules.dirty_pipe as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

splice(path, more) := testing.event("dirty_pipe_splice", {"in_file_path": path, "exposed_data_start_offset": 1}, more)

test_match if fires(splice("/usr/bin/su", {}))

test_evasion_container if fires(splice("/bin/busybox", testing.container))

test_near_miss_no_file if not fires(splice("pipe:[4026]", {}))
