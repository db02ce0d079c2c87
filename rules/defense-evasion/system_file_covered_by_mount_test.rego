package tocsin.tests.system_file_covered_by_mount

import data.tocsin.rules.system_file_covered_by_mount as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

mounted(source, path, more) := testing.event("security_sb_mount", {"dev_name": source, "path": path, "type": "", "flags": 4096}, more)

test_match if fires(mounted("/tmp/passwd", "/etc/passwd", {}))

test_match_in_container if fires(mounted("/tmp/x", "/etc/sudoers", testing.container))

test_evasion_directory if fires(mounted("tmpfs", "/etc/cron.d", {}))

test_near_miss_other_file if not fires(mounted("/tmp/hosts", "/etc/hosts", {}))

test_near_miss_service if not fires(mounted("/x", "/etc/passwd", testing.by("/usr/lib/systemd/systemd")))
