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

test_evasion_host_mounted_in_container if fires(open("/mnt/host/etc/cron.d/x", "O_WRONLY|O_CREAT", testing.container))

test_near_miss_image_layer if not fires(open("/var/lib/docker/overlay2/1/diff/etc/cron.d/x", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(open("/etc/cron.d/x", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_read if not fires(open("/etc/cron.d/backup", "O_RDONLY", {}))

test_near_miss_other_file if not fires(open("/etc/cron.rules", "O_WRONLY", {}))

test_evasion_directory_replaced if fires(testing.linked("/etc/cron.d", "/tmp/d", {}))
