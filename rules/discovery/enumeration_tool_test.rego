package tocsin.tests.enumeration_tool

import data.tocsin.rules.enumeration_tool as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/tmp/linpeas.sh", ["/tmp/linpeas.sh"], {}))

test_match_2 if fires(testing.executed("/usr/local/bin/amicontained", ["/usr/local/bin/amicontained"], {}))

test_match_3 if fires(testing.executed("/tmp/x/deepce.sh", ["/tmp/x/deepce.sh"], {}))

test_evasion_other_argv0 if fires(testing.executed("/tmp/linpeas.sh", ["-x"], {}))

test_evasion_other_directory if fires(testing.executed("/opt/.x/tmp/linpeas.sh", ["/tmp/linpeas.sh"], {}))

test_match_script_or_link if fires(testing.event("sched_process_exec", {"cmdpath": "/tmp/linpeas.sh", "pathname": "/usr/bin/dash", "argv": ["sh", "/tmp/linpeas.sh"]}, {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/linpeas.txt", ["/usr/bin/linpeas.txt"], {}))

test_near_miss_2 if not fires(testing.executed("/usr/bin/uname", ["/usr/bin/uname", "-a"], {}))

test_match_in_container if fires(testing.executed("/tmp/cdk", ["/tmp/cdk", "evaluate"], testing.container))

test_match_by_interpreter if fires(testing.executed("/usr/bin/bash", ["bash", "linpeas.sh"], {}))
