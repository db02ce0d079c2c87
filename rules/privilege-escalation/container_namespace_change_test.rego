package tocsin.tests.container_namespace_change

import data.tocsin.rules.container_namespace_change as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

setns(type, more) := testing.event("setns", {"fd": 3, "nstype": type}, more)

unshare(flags, more) := testing.event("unshare", {"flags": flags}, more)

test_match_setns if fires(setns("CLONE_NEWNS", testing.container))

test_evasion_any_type if fires(setns("0", testing.container))

test_match_unshare if fires(unshare("CLONE_NEWNS|CLONE_NEWUSER", testing.container))

test_evasion_named_like_runc if {
	fires(setns("CLONE_NEWNS", object.union(testing.container, testing.by("/memfd:runc_cloned:/proc/self/exe (deleted)"))))
}

test_near_miss_unshare_without_user_namespace if not fires(unshare("CLONE_FS", testing.container))

test_near_miss_host if not fires(setns("CLONE_NEWNS", {}))

test_near_miss_refused if not fires(setns("CLONE_NEWNS", object.union(testing.container, {"returnValue": -1})))

test_near_miss_runtime_by_path if not fires(setns("0", object.union(testing.container, testing.runtime)))

runc_child(ancestors) := {"executable": {"path": "runc"}, "process": {"ancestors": [{"executable": path} | some path in ancestors]}}

test_near_miss_runtime_mount if {
	not fires(setns("0", object.union(testing.container, runc_child(["runc", "/usr/sbin/runc"]))))
}

test_near_miss_runtime_grandchild if {
	not fires(setns("0", object.union(testing.container, runc_child(["runc", "runc", "/usr/sbin/runc"]))))
}

test_evasion_own_program_named_runc if fires(setns("CLONE_NEWNS", object.union(testing.container, testing.by("/usr/bin/runc"))))

test_near_miss_runtime if {
	fields := {"executable": {"path": "/memfd:runc_cloned:/proc/self/exe (deleted)"}, "process": {"ancestors": [{"executable": "/usr/sbin/runc"}]}}
	not fires(setns("0", object.union(testing.container, fields)))
}

test_match_unshare_mounts if fires(unshare("CLONE_NEWNS", testing.container))

test_near_miss_unshare_refused if not fires(unshare("CLONE_NEWNS", object.union(testing.container, {"returnValue": -1})))

clone(flags, returned) := testing.event("clone", {"flags": flags}, object.union(testing.container, {"returnValue": returned}))

test_evasion_with_the_process if fires(clone("CLONE_NEWUSER|CLONE_NEWNS|SIGCHLD", 77))

test_near_miss_thread if not fires(clone("CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD", 78))

test_near_miss_clone_refused if not fires(clone("CLONE_NEWUSER", -1))
