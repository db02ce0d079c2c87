package tocsin.tests.compiler_in_container

import data.tocsin.rules.compiler_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/gcc", ["/usr/bin/gcc", "x.c"], testing.container))

test_match_2 if fires(testing.executed("/usr/bin/cc", ["/usr/bin/cc", "-o", "x"], testing.container))

test_evasion_other_argv0 if fires(testing.executed("/usr/bin/gcc", ["-x", "x.c"], testing.container))

test_evasion_other_directory if fires(testing.executed("/opt/.x/usr/bin/gcc", ["/usr/bin/gcc", "x.c"], testing.container))

test_match_script_or_link if fires(testing.event("sched_process_exec", {"cmdpath": "/usr/bin/gcc", "pathname": "/usr/bin/dash", "argv": ["sh", "/usr/bin/gcc", "x.c"]}, testing.container))

test_near_miss_1 if not fires(testing.executed("/usr/bin/gccx", ["/usr/bin/gccx"], testing.container))

test_near_miss_2 if not fires(testing.executed("/usr/bin/make", ["/usr/bin/make"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/bin/gcc", ["/usr/bin/gcc", "x.c"], {}))
