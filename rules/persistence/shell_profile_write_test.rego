package tocsin.tests.shell_profile_write

import data.tocsin.testing

test_match_1 if testing.fires("shell_profile_write", testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("shell_profile_write", testing.opened("/home/bob/.profile", "O_WRONLY|O_CREAT", {}))

test_match_3 if testing.fires("shell_profile_write", testing.opened("/etc/bash.bashrc", "O_WRONLY|O_CREAT", {}))

test_match_4 if testing.fires("shell_profile_write", testing.opened("/etc/profile", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("shell_profile_write", testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("shell_profile_write", testing.renamed("/tmp/x", "/root/.bashrc", {}))

test_evasion_link_into_place if testing.fires("shell_profile_write", testing.linked("/etc/profile", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("shell_profile_write", testing.opened("/root/.bashrc", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("shell_profile_write", testing.opened("/root/.bashrc", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("shell_profile_write", testing.opened("/home/bob/bashrc", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not testing.fires("shell_profile_write", testing.opened("/etc/profile.txt", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("shell_profile_write", testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("shell_profile_write", testing.opened("/root/.bashrc", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_near_miss_useradd if not testing.fires("shell_profile_write", testing.opened("/home/bob/.bashrc", "O_WRONLY|O_CREAT", testing.by("/usr/sbin/useradd")))
