package tocsin.tests.container_mounts_filesystem

import data.tocsin.rules.container_mounts_filesystem as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

mount(type, more) := testing.event("security_sb_mount", {"dev_name": "x", "path": "/mnt", "type": type, "flags": ""}, more)

test_match if fires(mount("overlay", testing.container))

test_evasion_new_calls if fires(testing.event("fsmount", {"fs_fd": 3}, testing.container))

test_evasion_moved if fires(testing.event("move_mount", {"to_pathname": "/mnt"}, testing.container))

test_near_miss_host if not fires(mount("ext4", {}))

test_near_miss_runtime if not fires(mount("tmpfs", object.union(testing.container, testing.runtime)))

test_near_miss_runtime_new_calls if {
	not fires(testing.event("move_mount", {}, object.union(testing.container, testing.runtime)))
}
