package tocsin.tests.shell_history_read

import data.tocsin.rules.shell_history_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/root/.bash_history", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_2 if fires(testing.opened("/home/bob/.mysql_history", "O_RDONLY", testing.container))

test_evasion_name if fires(testing.opened("/root/.zsh_history", "O_RDONLY", testing.by("/tmp/bashx")))

test_near_miss_bash if not fires(testing.opened("/root/.bash_history", "O_RDONLY", testing.by("/usr/bin/bash")))

test_near_miss_write if not fires(testing.opened("/root/.bash_history", "O_WRONLY|O_APPEND", {}))
