package tocsin.tests.system_file_timestomp

import data.tocsin.rules.system_file_timestomp as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/touch", ["touch", "-r", "/bin/ls", "/bin/ps"], {}))

test_match_2 if fires(testing.executed("/usr/bin/touch", ["touch", "-d", "2020-01-01", "/etc/passwd"], testing.container))

test_evasion_long_option if fires(testing.executed("/usr/bin/touch", ["touch", "--reference=/bin/ls", "/usr/sbin/sshd"], {}))

test_near_miss_own_file if not fires(testing.executed("/usr/bin/touch", ["touch", "-r", "a", "b"], {}))

test_near_miss_now if not fires(testing.executed("/usr/bin/touch", ["touch", "/etc/x"], {}))

test_evasion_options_in_one if fires(testing.executed("/usr/bin/touch", ["touch", "-amt", "202001010000", "/usr/bin/ps"], {}))

test_evasion_busybox if fires(testing.executed("/bin/busybox", ["busybox", "touch", "-r", "/bin/ls", "/bin/ps"], {}))

test_evasion_other_program if fires(testing.event("utimensat", {"dirfd": -100, "pathname": "/usr/bin/ls"}, {}))

test_near_miss_own_file if not fires(testing.event("utimensat", {"dirfd": -100, "pathname": "/srv/x"}, {}))
