package tocsin.tests.enumeration_tool

import data.tocsin.testing

test_match_1 if testing.fires("enumeration_tool", testing.executed("/tmp/linpeas.sh", ["/tmp/linpeas.sh"], {}))

test_match_2 if testing.fires("enumeration_tool", testing.executed("/usr/local/bin/amicontained", ["/usr/local/bin/amicontained"], {}))

test_match_3 if testing.fires("enumeration_tool", testing.executed("/tmp/x/deepce.sh", ["/tmp/x/deepce.sh"], {}))

test_evasion_other_argv0 if testing.fires("enumeration_tool", testing.executed("/tmp/linpeas.sh", ["-x"], {}))

test_evasion_other_directory if testing.fires("enumeration_tool", testing.executed("/opt/.x/tmp/linpeas.sh", ["/tmp/linpeas.sh"], {}))

test_near_miss_1 if not testing.fires("enumeration_tool", testing.executed("/usr/bin/linpeas.txt", ["/usr/bin/linpeas.txt"], {}))

test_near_miss_2 if not testing.fires("enumeration_tool", testing.executed("/usr/bin/uname", ["/usr/bin/uname", "-a"], {}))

test_match_in_container if testing.fires("enumeration_tool", testing.executed("/tmp/cdk", ["/tmp/cdk", "evaluate"], testing.container))
