package tocsin.tests.network_tool_in_container

import data.tocsin.rules.network_tool_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/nmap", ["/usr/bin/nmap", "-sS", "10.0.0.0/8"], testing.container))

test_match_2 if fires(testing.executed("/usr/bin/ncat", ["/usr/bin/ncat", "-l", "4444"], testing.container))

test_evasion_other_argv0 if fires(testing.executed("/usr/bin/nmap", ["-x", "-sS", "10.0.0.0/8"], testing.container))

test_evasion_other_directory if fires(testing.executed("/opt/.x/usr/bin/nmap", ["/usr/bin/nmap", "-sS", "10.0.0.0/8"], testing.container))

test_match_script_or_link if fires(testing.event("sched_process_exec", {"cmdpath": "/usr/bin/nmap", "pathname": "/usr/bin/dash", "argv": ["sh", "/usr/bin/nmap", "-sS", "10.0.0.0/8"]}, testing.container))

test_near_miss_1 if not fires(testing.executed("/usr/bin/ping", ["/usr/bin/ping", "10.0.0.1"], testing.container))

test_near_miss_2 if not fires(testing.executed("/usr/bin/xnmap", ["/usr/bin/xnmap"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/bin/nmap", ["/usr/bin/nmap", "-sS", "10.0.0.0/8"], {}))
