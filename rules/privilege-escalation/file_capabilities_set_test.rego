package tocsin.tests.file_capabilities_set

import data.tocsin.rules.file_capabilities_set as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "cap_setuid+ep", "/tmp/x"], {}))

test_match_2 if fires(testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "all=ep", "/tmp/x"], testing.container))

test_evasion_all_by_sign if fires(testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "=ep", "/tmp/x"], {}))

test_near_miss_removal if not fires(testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "-r", "/tmp/x"], {}))

test_near_miss_package if not fires(testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "cap_net_raw+ep", "/usr/bin/ping"], testing.child_of("/usr/bin/dpkg")))

attribute(call, name, more) := testing.event(call, {"name": name}, more)

test_evasion_other_program if fires(attribute("setxattr", "security.capability", {}))

test_evasion_by_descriptor if fires(attribute("fsetxattr", "security.capability", {}))

test_near_miss_other_attribute if not fires(attribute("setxattr", "user.comment", {}))

test_near_miss_image_unpacked if not fires(attribute("lsetxattr", "security.capability", testing.by("/usr/bin/containerd")))
