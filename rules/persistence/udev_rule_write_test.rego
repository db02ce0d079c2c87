package tocsin.tests.udev_rule_write

import data.tocsin.testing

test_match_1 if testing.fires("udev_rule_write", testing.opened("/etc/udev/rules.d/99-x.rules", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("udev_rule_write", testing.opened("/usr/lib/udev/rules.d/x.rules", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("udev_rule_write", testing.opened("/etc/udev/rules.d/99-x.rules", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("udev_rule_write", testing.renamed("/tmp/x", "/etc/udev/rules.d/99-x.rules", {}))

test_evasion_link_into_place if testing.fires("udev_rule_write", testing.linked("/usr/lib/udev/rules.d/x.rules", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("udev_rule_write", testing.opened("/etc/udev/rules.d/99-x.rules", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("udev_rule_write", testing.opened("/etc/udev/rules.d/99-x.rules", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("udev_rule_write", testing.opened("/etc/udev/udev.conf", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("udev_rule_write", testing.opened("/etc/udev/rules.d/99-x.rules", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("udev_rule_write", testing.opened("/etc/udev/rules.d/99-x.rules", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))
