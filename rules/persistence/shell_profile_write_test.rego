package tocsin.tests.shell_profile_write

import data.tocsin.rules.shell_profile_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/home/bob/.profile", "O_WRONLY|O_CREAT", {}))

test_match_3 if fires(testing.opened("/etc/bash.bashrc", "O_WRONLY|O_CREAT", {}))

test_match_4 if fires(testing.opened("/etc/profile", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/root/.bashrc", {}))

test_evasion_link_into_place if fires(testing.linked("/etc/profile", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/root/.bashrc", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/root/.bashrc", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/home/bob/bashrc", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/etc/profile.txt", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_near_miss_useradd if not fires(testing.opened("/home/bob/.bashrc", "O_WRONLY|O_CREAT", testing.by("/usr/sbin/useradd")))

test_match_all_users if fires(testing.opened("/etc/profile.d/x.sh", "O_WRONLY|O_CREAT", {}))

test_match_mounted_host if fires(testing.opened("/host/etc/profile.d/x.sh", "O_WRONLY|O_CREAT", testing.container))

test_evasion_directory_replaced if fires(testing.renamed("/tmp/d", "/etc/profile.d", {}))
