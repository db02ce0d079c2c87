package tocsin.tests.backdoored_library

import data.tocsin.rules.backdoored_library as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

loaded(path) := testing.event("shared_object_loaded", {"pathname": path, "flags": 0}, testing.by("/usr/sbin/sshd"))

test_match if fires(loaded("/usr/lib/x86_64-linux-gnu/liblzma.so.5.6.1"))

test_evasion_other_directory if fires(loaded("/opt/lib/liblzma.so.5.6.0"))

test_near_miss_version if not fires(loaded("/usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1"))

test_near_miss_name if not fires(loaded("/usr/lib/x86_64-linux-gnu/liblz4.so.5.6.1"))
