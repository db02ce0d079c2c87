package tocsin.tests.sudoers_write

import data.tocsin.rules.sudoers_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/sudoers", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/etc/sudoers.d/bob", "O_WRONLY|O_CREAT", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/sudoers", "O_WRONLY|O_CREAT", testing.container))

test_near_miss_image_layer if not fires(testing.opened("/var/lib/docker/overlay2/1/diff/etc/sudoers", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/etc/sudoers", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/etc/sudoers", {}))

test_evasion_link_into_place if fires(testing.linked("/etc/sudoers.d/bob", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/etc/sudoers", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/etc/sudoers", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/etc/sudo.conf", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/etc/sudo_logsrvd.conf", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/etc/sudoers", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/etc/sudoers", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_near_miss_visudo if not fires(testing.renamed("/tmp/x", "/etc/sudoers", testing.by("/usr/sbin/visudo")))
