package tocsin.tests.crypto_miner

import data.tocsin.rules.crypto_miner as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/tmp/x", ["/tmp/x", "-o", "stratum+tcp://pool.example:3333"], {}))

test_match_2 if fires(testing.executed("/usr/bin/xmrig", ["/usr/bin/xmrig"], testing.container))

test_evasion_renamed if fires(testing.executed("/tmp/kworker", ["/tmp/kworker", "--url", "stratum+ssl://203.0.113.5:443"], {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/ssh", ["/usr/bin/ssh", "-o", "StrictHostKeyChecking=no"], {}))

test_near_miss_name if not fires(testing.executed("/usr/bin/xmrig-proxyd", ["/usr/bin/xmrig-proxyd"], {}))
