package tocsin.tests.dynamic_linker_hijack

import data.tocsin.rules.dynamic_linker_hijack as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/etc/ld.so.conf.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_match_3 if fires(testing.opened("/lib64/ld-linux-x86-64.so.2", "O_WRONLY|O_CREAT", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.container))

test_near_miss_image_layer if not fires(testing.opened("/var/lib/docker/overlay2/1/diff/etc/ld.so.preload", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/etc/ld.so.preload", {}))

test_evasion_link_into_place if fires(testing.linked("/lib64/ld-linux-x86-64.so.2", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/etc/ld.so.preload", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/etc/ld.so.preload", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/etc/ld.so", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_near_miss_ldconfig if not fires(testing.renamed("/tmp/x", "/etc/ld.so.cache", testing.by("/usr/sbin/ldconfig")))
