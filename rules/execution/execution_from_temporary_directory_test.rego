package tocsin.tests.execution_from_temporary_directory

import data.tocsin.testing

test_match_1 if testing.fires("execution_from_temporary_directory", testing.executed("/tmp/x", ["/tmp/x"], testing.container))

test_match_2 if testing.fires("execution_from_temporary_directory", testing.executed("/var/tmp/a/b", ["/var/tmp/a/b"], testing.container))

test_evasion_deep if testing.fires("execution_from_temporary_directory", testing.executed("/tmp/systemd-private-1/usr/bin/ls", ["/tmp/systemd-private-1/usr/bin/ls"], testing.container))

test_near_miss_host if not testing.fires("execution_from_temporary_directory", testing.executed("/tmp/x", ["/tmp/x"], {}))

test_near_miss_1 if not testing.fires("execution_from_temporary_directory", testing.executed("/usr/bin/tmp/x", ["/usr/bin/tmp/x"], testing.container))
