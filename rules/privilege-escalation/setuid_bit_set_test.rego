package tocsin.tests.setuid_bit_set

import data.tocsin.rules.setuid_bit_set as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("fchmodat", {"dirfd": -100, "pathname": "/tmp/x", "mode": "S_ISUID|S_IRWXU|S_IRGRP|S_IXGRP|S_IROTH|S_IXOTH"}, {}))

test_match_2 if fires(testing.event("fchmodat", {"pathname": "/bin/bash", "mode": "S_ISUID|S_ISGID|S_IRWXU"}, testing.container))

test_evasion_relative_path if fires(testing.event("fchmodat", {"pathname": "x", "mode": "S_ISUID|S_IXUSR"}, {}))

test_near_miss_executable if not fires(testing.event("fchmodat", {"pathname": "/tmp/x", "mode": "S_IRWXU"}, {}))

test_near_miss_directory_group if not fires(testing.event("fchmodat", {"pathname": "/srv/git", "mode": "S_ISGID|S_IRWXU|S_IRWXG"}, {}))

test_near_miss_package if not fires(testing.event("fchmodat", {"pathname": "/usr/bin/sudo", "mode": "S_ISUID|S_IRWXU"}, testing.by("/usr/bin/dpkg")))

test_match_group if fires(testing.event("fchmodat", {"pathname": "/tmp/x", "mode": "S_ISGID|S_IRWXU|S_IXGRP"}, {}))

test_near_miss_group_without_execution if not fires(testing.event("fchmodat", {"pathname": "/tmp/x", "mode": "S_ISGID|S_IRUSR"}, {}))
