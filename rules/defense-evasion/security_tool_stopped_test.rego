package tocsin.tests.security_tool_stopped

import data.tocsin.rules.security_tool_stopped as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "auditd.service"], {}))

test_match_2 if fires(testing.executed("/usr/bin/pkill", ["/usr/bin/pkill", "-9", "falco"], {}))

test_match_3 if fires(testing.executed("/usr/bin/systemctl", ["systemctl", "disable", "--now", "tocsin-sensor"], {}))

test_evasion_order if fires(testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "--now", "mask", "osqueryd"], testing.container))

test_near_miss_status if not fires(testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "status", "auditd"], {}))

test_near_miss_other if not fires(testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "nginx"], {}))

test_near_miss_upgrade if not fires(testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "auditd"], testing.child_of("/usr/bin/dpkg")))

test_evasion_pid_asked_first if fires(testing.executed("/usr/bin/pidof", ["pidof", "auditd"], {}))

test_evasion_busybox if fires(testing.executed("/bin/busybox", ["busybox", "pkill", "falco"], {}))

test_evasion_program_removed if fires(testing.event("security_inode_unlink", {"pathname": "/usr/sbin/auditd"}, {}))

test_evasion_program_moved if fires(testing.renamed("/usr/bin/falco", "/usr/bin/falco.off", {}))

test_near_miss_uninstalled if not fires(testing.event("security_inode_unlink", {"pathname": "/usr/sbin/auditd"}, testing.by("/usr/bin/dpkg")))

died(path, signal) := testing.event(
	"sched_process_exit",
	{"exit_code": signal, "process_group_exit": true, "signal_code": signal},
	testing.by(path),
)

test_evasion_killed_by_number if fires(died("/usr/sbin/auditd", 9))

test_near_miss_stopped_by_systemd if not fires(died("/usr/sbin/auditd", 15))

test_near_miss_other_killed if not fires(died("/usr/bin/sleep", 9))
