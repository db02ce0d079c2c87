package tocsin.tests.firewall_flushed

import data.tocsin.rules.firewall_flushed as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-F"], {}))

test_match_2 if fires(testing.executed("/usr/sbin/nft", ["/usr/sbin/nft", "flush", "ruleset"], testing.container))

test_match_3 if fires(testing.executed("/usr/bin/python3.11", ["/usr/bin/python3.11", "/usr/sbin/ufw", "disable"], {}))

test_match_4 if fires(testing.executed("/usr/bin/systemctl", ["/usr/bin/systemctl", "stop", "firewalld"], {}))

test_evasion_long_option if fires(testing.executed("/usr/sbin/xtables-legacy-multi", ["iptables", "--flush", "INPUT"], {}))

test_near_miss_list if not fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-L"], {}))

test_near_miss_other_table if not fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-t", "nat", "-F", "X"], {}))

test_near_miss_docker if not fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-F", "DOCKER"], testing.child_of("/usr/bin/dockerd")))

test_evasion_table_named if fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-t", "filter", "-F"], {}))

test_evasion_policy if fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-P", "INPUT", "ACCEPT"], {}))

test_evasion_one_argument if fires(testing.executed("/usr/sbin/nft", ["nft", "flush ruleset"], {}))

test_near_miss_list_ruleset if not fires(testing.executed("/usr/sbin/nft", ["nft", "list", "ruleset"], {}))

test_near_miss_policy_drop if not fires(testing.executed("/usr/sbin/xtables-nft-multi", ["iptables", "-P", "INPUT", "DROP"], {}))

test_evasion_script_by_its_interpreter if {
	fires(testing.executed("/usr/bin/python3.11", ["python3", "/usr/sbin/ufw", "--force", "reset"], {}))
}

test_near_miss_ufw_status if {
	not fires(testing.executed("/usr/bin/python3.11", ["python3", "/usr/sbin/ufw", "status"], {}))
}

test_match_ufw if fires(testing.executed("/usr/sbin/ufw", ["ufw", "disable"], {}))
