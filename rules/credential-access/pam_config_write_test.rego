package tocsin.tests.pam_config_write

import data.tocsin.rules.pam_config_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/usr/lib/x86_64-linux-gnu/security/pam_unix.so", "O_WRONLY|O_CREAT", {}))

test_match_3 if fires(testing.opened("/etc/security/pam_env.conf", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/etc/pam.d/sshd", {}))

test_evasion_link_into_place if fires(testing.linked("/etc/security/pam_env.conf", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/etc/pam.d/sshd", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/etc/pam.d/sshd", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/etc/pam.conf.txt", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/usr/lib/security/x", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_match_module_elsewhere if fires(testing.opened("/usr/lib/riscv64-linux-gnu/security/pam_unix.so", "O_WRONLY|O_CREAT", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.container))
