package tocsin.tests.shell_history_cleared

import data.tocsin.rules.shell_history_cleared as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_inode_unlink", {"pathname": "/root/.bash_history"}, testing.by("/usr/bin/rm")))

test_match_2 if fires(testing.opened("/home/bob/.zsh_history", "O_WRONLY|O_TRUNC", testing.by("/usr/bin/truncate")))

test_evasion_link_to_null if fires(testing.linked("/root/.bash_history", "/dev/null", testing.container))

test_near_miss_bash if not fires(testing.opened("/root/.bash_history", "O_WRONLY|O_TRUNC", testing.by("/usr/bin/bash")))

test_near_miss_append if not fires(testing.opened("/root/.bash_history", "O_WRONLY|O_APPEND", {}))

test_near_miss_1 if not fires(testing.event("security_inode_unlink", {"pathname": "/root/history"}, {}))
