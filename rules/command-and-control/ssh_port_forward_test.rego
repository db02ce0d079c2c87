package tocsin.tests.ssh_port_forward

import data.tocsin.testing

test_match_1 if testing.fires("ssh_port_forward", testing.executed("/usr/bin/ssh", ["ssh", "-R", "2222:localhost:22", "host"], {}))

test_match_2 if testing.fires("ssh_port_forward", testing.executed("/usr/bin/ssh", ["ssh", "-D1080", "host"], testing.container))

test_evasion_as_option if testing.fires("ssh_port_forward", testing.executed("/usr/bin/ssh", ["ssh", "-o", "RemoteForward=2222 localhost:22", "host"], {}))

test_near_miss_plain if not testing.fires("ssh_port_forward", testing.executed("/usr/bin/ssh", ["ssh", "host"], {}))

test_near_miss_verbose if not testing.fires("ssh_port_forward", testing.executed("/usr/bin/ssh", ["ssh", "-v", "host"], {}))
