package tocsin.tests.network_tool_in_container

import data.tocsin.testing

test_match_1 if testing.fires("network_tool_in_container", testing.executed("/usr/bin/nmap", ["/usr/bin/nmap", "-sS", "10.0.0.0/8"], testing.container))

test_match_2 if testing.fires("network_tool_in_container", testing.executed("/usr/bin/ncat", ["/usr/bin/ncat", "-l", "4444"], testing.container))

test_evasion_other_argv0 if testing.fires("network_tool_in_container", testing.executed("/usr/bin/nmap", ["-x", "-sS", "10.0.0.0/8"], testing.container))

test_evasion_other_directory if testing.fires("network_tool_in_container", testing.executed("/opt/.x/usr/bin/nmap", ["/usr/bin/nmap", "-sS", "10.0.0.0/8"], testing.container))

test_near_miss_1 if not testing.fires("network_tool_in_container", testing.executed("/usr/bin/ping", ["/usr/bin/ping", "10.0.0.1"], testing.container))

test_near_miss_2 if not testing.fires("network_tool_in_container", testing.executed("/usr/bin/xnmap", ["/usr/bin/xnmap"], testing.container))

test_near_miss_host if not testing.fires("network_tool_in_container", testing.executed("/usr/bin/nmap", ["/usr/bin/nmap", "-sS", "10.0.0.0/8"], {}))
