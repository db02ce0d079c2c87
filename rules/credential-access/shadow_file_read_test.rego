package tocsin.tests.shadow_file_read

import data.tocsin.rules.shadow_file_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if fires(open("/etc/shadow", "O_RDONLY", testing.by("/usr/bin/cat")))

test_evasion_host_mounted_in_container if fires(open("/mnt/host/etc/shadow", "O_RDONLY", testing.container))

test_match_backup if fires(open("/etc/shadow-", "O_RDONLY", testing.by("/usr/bin/python3.11")))

test_match_in_container if fires(open("/etc/gshadow", "O_RDWR", testing.container))

# The path is the kernel's, so a symbolic link or a relative name changes nothing; a borrowed name does not either.
test_evasion_borrowed_comm if {
	fires(open("/etc/shadow", "O_RDONLY", object.union(testing.by("/tmp/sshd"), {"processName": "sshd"})))
}

test_near_miss_package_script if not fires(open("/etc/shadow", "O_RDONLY", testing.child_of("/usr/bin/apt-get")))

test_near_miss_passwd if not fires(open("/etc/passwd", "O_RDONLY", {}))

test_evasion_moved_away if fires(testing.renamed("/etc/shadow", "/tmp/x", {}))

test_near_miss_written_anew if not fires(testing.renamed("/etc/nshadow", "/etc/shadow", {}))
