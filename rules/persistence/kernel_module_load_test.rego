package tocsin.tests.kernel_module_load

import data.tocsin.testing

load(event, more) := testing.event(event, {"param_values": ""}, more)

test_match_from_memory if testing.fires("kernel_module_load", load("init_module", testing.by("/tmp/loader")))

test_match_in_container if testing.fires("kernel_module_load", load("finit_module", object.union(testing.container, testing.by("/usr/bin/kmod"))))

test_evasion_borrowed_comm if {
	testing.fires("kernel_module_load", load("finit_module", object.union(testing.by("/tmp/insmod"), {"processName": "insmod"})))
}

test_near_miss_kmod if not testing.fires("kernel_module_load", load("finit_module", testing.by("/usr/bin/kmod")))

test_near_miss_udev if not testing.fires("kernel_module_load", load("finit_module", testing.by("/usr/lib/systemd/systemd-udevd")))
