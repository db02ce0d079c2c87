package tocsin.tests.audit_disabled

import data.tocsin.testing

test_match_1 if testing.fires("audit_disabled", testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-D"], {}))

test_match_2 if testing.fires("audit_disabled", testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-e", "0"], {}))

test_evasion_joined if testing.fires("audit_disabled", testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-e0"], testing.container))

test_near_miss_list if not testing.fires("audit_disabled", testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-l"], {}))

test_near_miss_on if not testing.fires("audit_disabled", testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-e", "1"], {}))
