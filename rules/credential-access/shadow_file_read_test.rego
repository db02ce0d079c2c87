package tocsin.tests.shadow_file_read

import data.tocsin.testing

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if testing.fires("shadow_file_read", open("/etc/shadow", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_backup if testing.fires("shadow_file_read", open("/etc/shadow-", "O_RDONLY", testing.by("/usr/bin/python3.11")))

test_match_in_container if testing.fires("shadow_file_read", open("/etc/gshadow", "O_RDWR", testing.container))

# The path is the kernel's, so a symbolic link or a relative name changes nothing; a borrowed name does not either.
test_evasion_borrowed_comm if {
	testing.fires("shadow_file_read", open("/etc/shadow", "O_RDONLY", object.union(testing.by("/tmp/sshd"), {"processName": "sshd"})))
}

test_near_miss_passwd if not testing.fires("shadow_file_read", open("/etc/passwd", "O_RDONLY", {}))
