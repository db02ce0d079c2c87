package tocsin.tests.container_client_in_container

import data.tocsin.rules.container_client_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/local/bin/kubectl", ["/usr/local/bin/kubectl", "get", "secrets"], testing.container))

test_match_2 if fires(testing.executed("/usr/bin/docker", ["/usr/bin/docker", "ps"], testing.container))

test_evasion_other_argv0 if fires(testing.executed("/usr/local/bin/kubectl", ["-x", "get", "secrets"], testing.container))

test_evasion_other_directory if fires(testing.executed("/opt/.x/usr/local/bin/kubectl", ["/usr/local/bin/kubectl", "get", "secrets"], testing.container))

test_match_script_or_link if fires(testing.event("sched_process_exec", {"cmdpath": "/usr/local/bin/kubectl", "pathname": "/usr/bin/dash", "argv": ["sh", "/usr/local/bin/kubectl", "get", "secrets"]}, testing.container))

test_near_miss_1 if not fires(testing.executed("/usr/bin/dockerx", ["/usr/bin/dockerx"], testing.container))

test_near_miss_2 if not fires(testing.executed("/usr/bin/kubectl-completion", ["/usr/bin/kubectl-completion"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/local/bin/kubectl", ["/usr/local/bin/kubectl", "get", "secrets"], {}))
