package tocsin.tests.account_file_write

import data.tocsin.rules.account_file_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/passwd", "O_WRONLY|O_APPEND", {}))

test_match_2 if fires(testing.opened("/etc/shadow", "O_RDWR", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/etc/passwd", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/passwd", "O_WRONLY|O_CREAT", testing.container))

test_evasion_borrowed_comm if fires(testing.opened("/etc/passwd", "O_WRONLY", object.union(testing.by("/tmp/useradd"), {"processName": "useradd"})))

test_near_miss_read if not fires(testing.opened("/etc/passwd", "O_RDONLY", {}))

test_near_miss_useradd if not fires(testing.renamed("/tmp/x", "/etc/passwd", testing.by("/usr/sbin/useradd")))

test_near_miss_1 if not fires(testing.opened("/etc/passwd.txt", "O_WRONLY|O_CREAT", {}))
