package tocsin.tests.pam_config_write

import data.tocsin.testing

test_match_1 if testing.fires("pam_config_write", testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("pam_config_write", testing.opened("/usr/lib/x86_64-linux-gnu/security/pam_unix.so", "O_WRONLY|O_CREAT", {}))

test_match_3 if testing.fires("pam_config_write", testing.opened("/etc/security/pam_env.conf", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("pam_config_write", testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("pam_config_write", testing.renamed("/tmp/x", "/etc/pam.d/sshd", {}))

test_evasion_link_into_place if testing.fires("pam_config_write", testing.linked("/etc/security/pam_env.conf", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("pam_config_write", testing.opened("/etc/pam.d/sshd", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("pam_config_write", testing.opened("/etc/pam.d/sshd", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("pam_config_write", testing.opened("/etc/pam.conf.txt", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not testing.fires("pam_config_write", testing.opened("/usr/lib/security/x", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("pam_config_write", testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("pam_config_write", testing.opened("/etc/pam.d/sshd", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))
