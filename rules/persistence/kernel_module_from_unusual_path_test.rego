package tocsin.tests.kernel_module_from_unusual_path

import data.tocsin.rules.kernel_module_from_unusual_path as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_kernel_read_file", {"pathname": "/tmp/rk.ko", "type": "kernel-module"}, {}))

test_match_in_container if fires(testing.event("security_kernel_read_file", {"pathname": "/x.ko", "type": "kernel-module"}, testing.container))

test_evasion_from_memory if fires(testing.event("security_kernel_read_file", {"pathname": "memfd:x", "type": "kernel-module"}, {}))

test_near_miss_installed if not fires(testing.event("security_kernel_read_file", {"pathname": "/usr/lib/modules/6.1.0/kernel/fs/ext4.ko", "type": "kernel-module"}, {}))

test_near_miss_firmware if not fires(testing.event("security_kernel_read_file", {"pathname": "/tmp/fw.bin", "type": "firmware"}, {}))

test_evasion_compressed if fires(testing.executed("/usr/bin/kmod", ["insmod", "/tmp/rk.ko.xz"], {"executable": {"path": "/usr/bin/kmod"}}))

test_near_miss_insmod_installed if not fires(testing.executed("/usr/bin/kmod", ["insmod", "/lib/modules/6.1.0/kernel/fs/x.ko"], {}))
