package tocsin.tests.path_traversal_read

import data.tocsin.rules.path_traversal_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

read(path, asked, by) := testing.event("security_file_open", {"pathname": path, "flags": "O_RDONLY", "syscall_pathname": asked}, testing.by(by))

test_match if fires(read("/etc/passwd", "/var/www/html/../../../etc/passwd", "/usr/sbin/nginx"))

test_match_java if fires(read("/etc/passwd", "webapps/../../../etc/passwd", "/usr/lib/jvm/bin/java"))

test_evasion_language if fires(read("/proc/1/environ", "files/../../../../proc/1/environ", "/usr/bin/python3.11"))

test_near_miss_no_detour if not fires(read("/etc/passwd", "/etc/passwd", "/usr/sbin/nginx"))

test_near_miss_own_file if not fires(read("/etc/nginx/mime.types", "/etc/nginx/conf/../mime.types", "/usr/sbin/nginx"))

test_near_miss_other_program if not fires(read("/etc/passwd", "../etc/passwd", "/usr/bin/cat"))
