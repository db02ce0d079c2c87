package tocsin.tests.system_binary_write

import data.tocsin.testing

test_match_1 if testing.fires("system_binary_write", testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("system_binary_write", testing.opened("/bin/ps", "O_WRONLY|O_CREAT", {}))

test_match_3 if testing.fires("system_binary_write", testing.opened("/usr/sbin/sshd", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("system_binary_write", testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("system_binary_write", testing.renamed("/tmp/x", "/usr/bin/ls", {}))

test_evasion_link_into_place if testing.fires("system_binary_write", testing.linked("/usr/sbin/sshd", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("system_binary_write", testing.opened("/usr/bin/ls", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("system_binary_write", testing.opened("/usr/bin/ls", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("system_binary_write", testing.opened("/usr/local/bin/tool", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not testing.fires("system_binary_write", testing.opened("/usr/binary", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("system_binary_write", testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("system_binary_write", testing.opened("/usr/bin/ls", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))
