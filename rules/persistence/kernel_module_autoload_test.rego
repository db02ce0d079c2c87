package tocsin.tests.kernel_module_autoload

import data.tocsin.testing

test_match_1 if testing.fires("kernel_module_autoload", testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("kernel_module_autoload", testing.opened("/etc/modules", "O_WRONLY|O_CREAT", {}))

test_match_3 if testing.fires("kernel_module_autoload", testing.opened("/etc/modprobe.d/x.conf", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("kernel_module_autoload", testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("kernel_module_autoload", testing.renamed("/tmp/x", "/etc/modules-load.d/x.conf", {}))

test_evasion_link_into_place if testing.fires("kernel_module_autoload", testing.linked("/etc/modprobe.d/x.conf", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("kernel_module_autoload", testing.opened("/etc/modules-load.d/x.conf", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("kernel_module_autoload", testing.opened("/etc/modules-load.d/x.conf", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("kernel_module_autoload", testing.opened("/etc/module", "O_WRONLY|O_CREAT", {}))

test_near_miss_2 if not testing.fires("kernel_module_autoload", testing.opened("/etc/modprobe", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("kernel_module_autoload", testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("kernel_module_autoload", testing.opened("/etc/modules-load.d/x.conf", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))
