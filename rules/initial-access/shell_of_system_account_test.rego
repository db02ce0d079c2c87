package tocsin.tests.shell_of_system_account

import data.tocsin.rules.shell_of_system_account as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

shell(user, stdin, more) := testing.event(
	"sched_process_exec",
	{"pathname": "/usr/bin/bash", "cmdpath": "/bin/bash", "argv": ["bash"], "stdin_type": "S_IFCHR", "stdin_path": stdin},
	object.union({"userId": user}, more),
)

test_match if fires(shell(33, "/dev/pts/0", {}))

test_evasion_no_login_shell if fires(shell(999, "/dev/pts/12", {"executable": {"path": "/usr/bin/bash"}}))

test_near_miss_root if not fires(shell(0, "/dev/pts/0", {}))

test_near_miss_person if not fires(shell(1000, "/dev/pts/0", {}))

test_near_miss_script if not fires(shell(33, "/dev/null", {}))

test_near_miss_container if not fires(shell(33, "/dev/pts/0", testing.container))
