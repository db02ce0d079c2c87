package tocsin.tests.security_tool_stopped

import data.tocsin.testing

test_match_1 if testing.fires("security_tool_stopped", testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "auditd.service"], {}))

test_match_2 if testing.fires("security_tool_stopped", testing.executed("/usr/bin/pkill", ["/usr/bin/pkill", "-9", "falco"], {}))

test_match_3 if testing.fires("security_tool_stopped", testing.executed("/usr/bin/systemctl", ["systemctl", "disable", "--now", "tocsin-sensor"], {}))

test_evasion_order if testing.fires("security_tool_stopped", testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "--now", "mask", "osqueryd"], testing.container))

test_near_miss_status if not testing.fires("security_tool_stopped", testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "status", "auditd"], {}))

test_near_miss_other if not testing.fires("security_tool_stopped", testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "nginx"], {}))

test_near_miss_upgrade if not testing.fires("security_tool_stopped", testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "auditd"], testing.child_of("/usr/bin/dpkg")))
