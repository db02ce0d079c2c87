package tocsin.tests.system_binary_write

import data.tocsin.rules.system_binary_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/bin/ps", "O_WRONLY|O_CREAT", {}))

test_match_3 if fires(testing.opened("/usr/sbin/sshd", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/usr/bin/ls", {}))

test_evasion_link_into_place if fires(testing.linked("/usr/sbin/sshd", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/usr/bin/ls", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/usr/bin/ls", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/usr/local/bin/tool", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not fires(testing.opened("/usr/binary", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_match_library if fires(testing.renamed("/tmp/x", "/usr/lib/x86_64-linux-gnu/libc.so.6", {}))

test_near_miss_ldconfig if {
	not fires(testing.linked("/lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.2", testing.by("/usr/sbin/ldconfig")))
}
