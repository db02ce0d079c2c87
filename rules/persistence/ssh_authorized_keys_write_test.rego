package tocsin.tests.ssh_authorized_keys_write

import data.tocsin.rules.ssh_authorized_keys_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/root/.ssh/authorized_keys", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/home/bob/.ssh/authorized_keys2", "O_WRONLY|O_CREAT", {}))

test_match_3 if fires(testing.opened("/etc/ssh/sshd_config", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/root/.ssh/authorized_keys", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/root/.ssh/authorized_keys", {}))

test_evasion_link_into_place if fires(testing.linked("/etc/ssh/sshd_config", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/root/.ssh/authorized_keys", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/root/.ssh/authorized_keys", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/root/.ssh/known_hosts", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/root/.ssh/authorized_keys.pub", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/root/.ssh/authorized_keys", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/root/.ssh/authorized_keys", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_evasion_included_settings if fires(testing.opened("/etc/ssh/sshd_config.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_evasion_directory_replaced if fires(testing.renamed("/tmp/d", "/root/.ssh", {}))
