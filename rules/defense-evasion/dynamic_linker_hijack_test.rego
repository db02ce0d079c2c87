package tocsin.tests.dynamic_linker_hijack

import data.tocsin.testing

test_match_1 if testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.conf.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_match_3 if testing.fires("dynamic_linker_hijack", testing.opened("/lib64/ld-linux-x86-64.so.2", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("dynamic_linker_hijack", testing.renamed("/tmp/x", "/etc/ld.so.preload", {}))

test_evasion_link_into_place if testing.fires("dynamic_linker_hijack", testing.linked("/lib64/ld-linux-x86-64.so.2", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.preload", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.preload", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("dynamic_linker_hijack", testing.opened("/etc/ld.so.preload", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_near_miss_ldconfig if not testing.fires("dynamic_linker_hijack", testing.renamed("/tmp/x", "/etc/ld.so.cache", testing.by("/usr/sbin/ldconfig")))
