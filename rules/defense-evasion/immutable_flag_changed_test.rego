package tocsin.tests.immutable_flag_changed

import data.tocsin.testing

test_match_1 if testing.fires("immutable_flag_changed", testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "+i", "/etc/ld.so.preload"], {}))

test_match_2 if testing.fires("immutable_flag_changed", testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "-R", "-i", "/var/log"], testing.container))

test_evasion_joined if testing.fires("immutable_flag_changed", testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "-ia", "/var/log/wtmp"], {}))

test_near_miss_other_flag if not testing.fires("immutable_flag_changed", testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "+C", "/x"], {}))

test_near_miss_lsattr if not testing.fires("immutable_flag_changed", testing.executed("/usr/bin/lsattr", ["/usr/bin/lsattr", "-a"], {}))
