package tocsin.tests.kernel_module_autoload

import data.tocsin.rules.kernel_module_autoload as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/etc/modules", "O_WRONLY|O_CREAT", {}))

test_match_3 if fires(testing.opened("/etc/modprobe.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.container))

test_near_miss_image_layer if not fires(testing.opened("/var/lib/docker/overlay2/1/diff/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/etc/modules-load.d/x.conf", {}))

test_evasion_link_into_place if fires(testing.linked("/etc/modprobe.d/x.conf", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/etc/modules-load.d/x.conf", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/etc/modules-load.d/x.conf", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/etc/module", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/etc/modprobe", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_evasion_module_among_the_kernels_own if fires(testing.opened("/lib/modules/6.1.0/extra/x.ko", "O_WRONLY|O_CREAT", {}))

test_near_miss_depmod if not fires(testing.opened("/lib/modules/6.1.0/modules.dep", "O_WRONLY", testing.by("/usr/bin/kmod")))
