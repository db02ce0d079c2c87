package tocsin.tests.log_cleared

import data.tocsin.rules.log_cleared as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/var/log/auth.log", "O_WRONLY|O_TRUNC", {}))

test_match_2 if fires(testing.event("security_inode_unlink", {"pathname": "/var/log/wtmp"}, testing.container))

test_evasion_renamed_away if fires(testing.renamed("/var/log/secure", "/tmp/y", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/var/log/lastlog", "O_RDONLY|O_TRUNC", {}))

test_near_miss_append if not fires(testing.opened("/var/log/auth.log", "O_WRONLY|O_APPEND", {}))

test_near_miss_logrotate if not fires(testing.renamed("/var/log/syslog", "/var/log/syslog.1", testing.by("/usr/sbin/logrotate")))

test_near_miss_other_log if not fires(testing.opened("/var/log/myapp.log", "O_WRONLY|O_TRUNC", {}))

test_evasion_truncated_later if fires(testing.opened("/var/log/auth.log", "O_WRONLY|O_CREAT|O_NONBLOCK", testing.by("/usr/bin/truncate")))

test_evasion_replaced if fires(testing.renamed("/var/log/sedk3Jd", "/var/log/auth.log", testing.by("/usr/bin/sed")))

test_near_miss_login if not fires(testing.opened("/var/log/wtmp", "O_RDWR", testing.by("/usr/bin/login")))

test_evasion_truncated_by_name if fires(testing.event("truncate", {"pathname": "/var/log/auth.log", "length": 0}, {}))

test_near_miss_other_file_truncated if not fires(testing.event("truncate", {"pathname": "/srv/auth.log", "length": 0}, {}))
