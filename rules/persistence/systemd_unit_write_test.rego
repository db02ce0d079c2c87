package tocsin.tests.systemd_unit_write

import data.tocsin.rules.systemd_unit_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/systemd/system/x.service", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/usr/lib/systemd/system/sshd.service.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/systemd/system/x.service", "O_WRONLY|O_CREAT", testing.container))

test_near_miss_image_layer if not fires(testing.opened("/var/lib/docker/overlay2/1/diff/etc/systemd/system/x.service", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/etc/systemd/system/x.service", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/etc/systemd/system/x.service", {}))

test_evasion_link_into_place if fires(testing.linked("/usr/lib/systemd/system/sshd.service.d/x.conf", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/etc/systemd/system/x.service", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/etc/systemd/system/x.service", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/etc/systemd/journald.conf", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/run/systemd/units/log-extra-fields:x", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/etc/systemd/system/x.service", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/etc/systemd/system/x.service", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_match_units_of_a_user if fires(testing.opened("/home/u/.config/systemd/user/x.service", "O_WRONLY|O_CREAT", {}))
