package tocsin.tests.secret_search

import data.tocsin.rules.secret_search as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/find", ["/usr/bin/find", "/", "-name", "id_rsa*"], testing.container))

test_match_2 if fires(testing.executed("/usr/bin/grep", ["/usr/bin/grep", "-r", "PASSWORD=", "/"], testing.container))

test_evasion_busybox if fires(testing.executed("/bin/busybox", ["grep", "-ri", "aws_secret", "/"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/bin/find", ["/usr/bin/find", "/", "-name", "id_rsa*"], {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/grep", ["/usr/bin/grep", "-c", "processor", "/proc/cpuinfo"], testing.container))

test_match_two_words if fires(testing.executed("/usr/bin/grep", ["grep", "-r", "password", "/srv/credentials", "aws_secret"], testing.container))
