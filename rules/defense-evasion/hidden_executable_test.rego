package tocsin.tests.hidden_executable

import data.tocsin.rules.hidden_executable as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/tmp/.X11-unix/a", ["/tmp/.X11-unix/a"], {}))

test_match_2 if fires(testing.executed("/dev/shm/.x", ["/dev/shm/.x"], testing.container))

test_match_script if fires(testing.event("sched_process_exec", {"cmdpath": "/tmp/.x/a.sh", "pathname": "/usr/bin/dash", "argv": ["sh", "/tmp/.x/a.sh"]}, {}))

test_evasion_deep if fires(testing.executed("/var/tmp/a/.b/c", ["/var/tmp/a/.b/c"], {}))

test_evasion_three_dots if fires(testing.executed("/tmp/.../x", ["/tmp/.../x"], {}))

test_near_miss_visible if not fires(testing.executed("/tmp/a/b", ["/tmp/a/b"], {}))

test_near_miss_home if not fires(testing.executed("/home/bob/.local/bin/x", ["/home/bob/.local/bin/x"], {}))
