package tocsin.tests.new_executable_in_container

import data.tocsin.rules.new_executable_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

id := testing.container.containerId

# The container's first process started at 1000.
executed(path, ctime, more) := testing.event("sched_process_exec", {"pathname": path, "ctime": ctime}, object.union(
	{
		"process": {"executable": path, "ancestors": [
			{"executable": "/bin/sh", "containerId": id, "startTime": 2000},
			{"executable": "/entrypoint", "containerId": id, "startTime": 1000},
			{"executable": "/usr/bin/containerd-shim-runc-v2", "startTime": 10},
		]},
	},
	object.union(testing.container, more),
))

test_match if fires(executed("/tmp/x", 2500, {}))

test_match_written_before_the_shell if fires(executed("/usr/local/bin/x", 1500, {}))

test_evasion_old_name if fires(executed("/usr/bin/ls", 2500, {}))

test_near_miss_image if not fires(executed("/usr/bin/ls", 900, {}))

test_near_miss_host if not fires(executed("/tmp/x", 2500, {"origin": "host", "containerId": ""}))

test_near_miss_package_script if {
	not fires(executed("/var/lib/dpkg/info/x.postinst", 2500, {"process": {"ancestors": [{"executable": "/usr/bin/dpkg", "containerId": id, "startTime": 1000}]}}))
}
