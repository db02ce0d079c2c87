package tocsin.tests.file_shredded

import data.tocsin.rules.file_shredded as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.executed("/usr/bin/shred", ["shred", "-u", "/srv/data.db"], {}))

test_match_in_container if fires(testing.executed("/usr/bin/srm", ["srm", "x"], testing.container))

test_evasion_busybox if fires(testing.executed("/bin/busybox", ["busybox", "shred", "x"], {}))

test_evasion_loader if fires(testing.executed("/lib64/ld-linux-x86-64.so.2", ["/lib64/ld-linux-x86-64.so.2", "/usr/bin/shred", "x"], {}))

test_near_miss_remove if not fires(testing.executed("/usr/bin/rm", ["rm", "/srv/data.db"], {}))

test_near_miss_package_script if not fires(testing.executed("/usr/bin/shred", ["shred", "-u", "x"], testing.child_of("/usr/bin/dpkg")))
