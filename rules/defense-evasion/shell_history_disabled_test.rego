package tocsin.tests.shell_history_disabled

import data.tocsin.rules.shell_history_disabled as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

executed(env, more) := testing.event("sched_process_exec", {"pathname": "/usr/bin/id", "argv": ["id"], "env": env}, more)

test_match if fires(executed(["PATH=/bin", "HISTFILE=/dev/null"], {}))

test_match_in_container if fires(executed(["HISTSIZE=0"], testing.container))

test_evasion_size_of_the_file if fires(executed(["HISTFILE=/root/.bash_history", "HISTFILESIZE=0"], {}))

test_near_miss_ordinary if not fires(executed(["HISTFILE=/root/.bash_history", "HISTSIZE=1000"], {}))

test_near_miss_other_variable if not fires(executed(["MYHISTSIZE=0"], {}))
