package tocsin.tests.secret_search

import data.tocsin.testing

test_match_1 if testing.fires("secret_search", testing.executed("/usr/bin/find", ["/usr/bin/find", "/", "-name", "id_rsa*"], testing.container))

test_match_2 if testing.fires("secret_search", testing.executed("/usr/bin/grep", ["/usr/bin/grep", "-r", "PASSWORD=", "/"], testing.container))

test_evasion_busybox if testing.fires("secret_search", testing.executed("/bin/busybox", ["grep", "-ri", "aws_secret", "/"], testing.container))

test_near_miss_host if not testing.fires("secret_search", testing.executed("/usr/bin/find", ["/usr/bin/find", "/", "-name", "id_rsa*"], {}))

test_near_miss_1 if not testing.fires("secret_search", testing.executed("/usr/bin/grep", ["/usr/bin/grep", "-c", "processor", "/proc/cpuinfo"], testing.container))
