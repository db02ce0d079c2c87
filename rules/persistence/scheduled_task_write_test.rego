package tocsin.tests.scheduled_task_write

import data.tocsin.testing

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

rename(path, more) := testing.event("security_inode_rename", {"old_path": "/tmp/x", "new_path": path}, more)

test_match if testing.fires("scheduled_task_write", open("/etc/cron.d/backup", "O_WRONLY|O_CREAT", {}))

test_match_user_table if testing.fires("scheduled_task_write", open("/var/spool/cron/crontabs/root", "O_WRONLY", testing.by("/usr/bin/bash")))

test_evasion_rename_into_place if testing.fires("scheduled_task_write", rename("/etc/cron.hourly/x", {}))

test_near_miss_read if not testing.fires("scheduled_task_write", open("/etc/cron.d/backup", "O_RDONLY", {}))

test_near_miss_other_file if not testing.fires("scheduled_task_write", open("/etc/cron.rules", "O_WRONLY", {}))
