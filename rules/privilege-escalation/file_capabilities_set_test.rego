package tocsin.tests.file_capabilities_set

import data.tocsin.testing

test_match_1 if testing.fires("file_capabilities_set", testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "cap_setuid+ep", "/tmp/x"], {}))

test_match_2 if testing.fires("file_capabilities_set", testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "all=ep", "/tmp/x"], testing.container))

test_evasion_all_by_sign if testing.fires("file_capabilities_set", testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "=ep", "/tmp/x"], {}))

test_near_miss_removal if not testing.fires("file_capabilities_set", testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "-r", "/tmp/x"], {}))

test_near_miss_package if not testing.fires("file_capabilities_set", testing.executed("/usr/sbin/setcap", ["/usr/sbin/setcap", "cap_net_raw+ep", "/usr/bin/ping"], testing.child_of("/usr/bin/dpkg")))
