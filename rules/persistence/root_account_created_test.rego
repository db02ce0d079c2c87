package tocsin.tests.root_account_created

import data.tocsin.rules.root_account_created as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/sbin/useradd", ["useradd", "-o", "-u", "0", "toor"], {}))

test_match_2 if fires(testing.executed("/usr/sbin/usermod", ["usermod", "--uid", "0", "-o", "bob"], testing.container))

test_evasion_joined if fires(testing.executed("/usr/sbin/useradd", ["useradd", "-ou0", "toor"], {}))

test_near_miss_user if not fires(testing.executed("/usr/sbin/useradd", ["useradd", "-m", "bob"], {}))

test_near_miss_system if not fires(testing.executed("/usr/sbin/useradd", ["useradd", "-u", "100", "svc"], {}))
