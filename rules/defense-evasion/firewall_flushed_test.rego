package tocsin.tests.firewall_flushed

import data.tocsin.testing

test_match_1 if testing.fires("firewall_flushed", testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-F"], {}))

test_match_2 if testing.fires("firewall_flushed", testing.executed("/usr/sbin/nft", ["/usr/sbin/nft", "flush", "ruleset"], testing.container))

test_match_3 if testing.fires("firewall_flushed", testing.executed("/usr/bin/python3.11", ["/usr/bin/python3.11", "/usr/sbin/ufw", "disable"], {}))

test_match_4 if testing.fires("firewall_flushed", testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "firewalld"], {}))

test_evasion_long_option if testing.fires("firewall_flushed", testing.executed("/usr/sbin/xtables-legacy-multi", ["iptables", "--flush", "INPUT"], {}))

test_near_miss_list if not testing.fires("firewall_flushed", testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-L"], {}))

test_near_miss_other_table if not testing.fires("firewall_flushed", testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-t", "nat", "-F", "X"], {}))

test_near_miss_docker if not testing.fires("firewall_flushed", testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-F", "DOCKER"], testing.child_of("/usr/bin/dockerd")))
