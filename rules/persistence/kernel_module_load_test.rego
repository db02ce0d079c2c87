package tocsin.tests.kernel_module_load

import data.tocsin.rules.kernel_module_load as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

load(event, more) := testing.event(event, {"param_values": ""}, more)

test_match_from_memory if fires(load("init_module", testing.by("/tmp/loader")))

test_match_in_container if fires(load("finit_module", object.union(testing.container, testing.by("/usr/bin/kmod"))))

test_evasion_borrowed_comm if {
	fires(load("finit_module", object.union(testing.by("/tmp/insmod"), {"processName": "insmod"})))
}

test_near_miss_kmod if not fires(load("finit_module", testing.by("/usr/bin/kmod")))

test_near_miss_udev if not fires(load("finit_module", testing.by("/usr/lib/systemd/systemd-udevd")))
