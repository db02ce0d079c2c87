package tocsin.tests.encoded_command

import data.tocsin.rules.encoded_command as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "echo aWQ= | base64 -d | sh"], {}))

test_match_2 if fires(testing.executed("/usr/bin/python3.11", ["/usr/bin/python3.11", "-c", "exec(__import__('base64').b64decode('aWQ='))"], testing.container))

test_evasion_without_blanks if fires(testing.executed("/bin/bash", ["/bin/bash", "-c", "base64 -d<<<aWQ=|bash"], {}))

test_near_miss_decode if not fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "echo aWQ= | base64 -d > /tmp/x"], {}))

test_near_miss_eval if not fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "eval $(ssh-agent)"], {}))
