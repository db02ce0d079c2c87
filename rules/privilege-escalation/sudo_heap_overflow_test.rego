package tocsin.tests.sudo_heap_overflow

import data.tocsin.testing

test_match_1 if testing.fires("sudo_heap_overflow", testing.executed("/usr/bin/sudo", ["sudoedit", "-s", "AAAA\\"], {}))

test_match_2 if testing.fires("sudo_heap_overflow", testing.executed("/usr/bin/pkexec", [""], {}))

test_evasion_path_in_argv0 if testing.fires("sudo_heap_overflow", testing.executed("/usr/bin/sudo", ["/x/sudoedit", "-s", "x\\"], testing.container))

test_near_miss_sudoedit if not testing.fires("sudo_heap_overflow", testing.executed("/usr/bin/sudo", ["sudoedit", "/etc/hosts"], {}))

test_near_miss_pkexec if not testing.fires("sudo_heap_overflow", testing.executed("/usr/bin/pkexec", ["pkexec", "id"], {}))
