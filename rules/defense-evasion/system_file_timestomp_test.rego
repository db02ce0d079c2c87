package tocsin.tests.system_file_timestomp

import data.tocsin.testing

test_match_1 if testing.fires("system_file_timestomp", testing.executed("/usr/bin/touch", ["touch", "-r", "/bin/ls", "/bin/ps"], {}))

test_match_2 if testing.fires("system_file_timestomp", testing.executed("/usr/bin/touch", ["touch", "-d", "2020-01-01", "/etc/passwd"], testing.container))

test_evasion_long_option if testing.fires("system_file_timestomp", testing.executed("/usr/bin/touch", ["touch", "--reference=/bin/ls", "/usr/sbin/sshd"], {}))

test_near_miss_own_file if not testing.fires("system_file_timestomp", testing.executed("/usr/bin/touch", ["touch", "-r", "a", "b"], {}))

test_near_miss_now if not testing.fires("system_file_timestomp", testing.executed("/usr/bin/touch", ["touch", "/etc/x"], {}))
