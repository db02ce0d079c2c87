package tocsin.tests.scheduled_task_write

import data.tocsin.rules.scheduled_task_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

rename(path, more) := testing.event("security_inode_rename", {"old_path": "/tmp/x", "new_path": path}, more)

test_match if fires(open("/etc/cron.d/backup", "O_WRONLY|O_CREAT", {}))

test_match_user_table if fires(open("/var/spool/cron/crontabs/root", "O_WRONLY", testing.by("/usr/bin/bash")))

test_evasion_rename_into_place if fires(rename("/etc/cron.hourly/x", {}))

test_near_miss_read if not fires(open("/etc/cron.d/backup", "O_RDONLY", {}))

test_near_miss_other_file if not fires(open("/etc/cron.rules", "O_WRONLY", {}))
