package tocsin.tests.mass_deletion

import data.tocsin.rules.mass_deletion as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_inode_unlink", {"pathname": "/srv/data/1"}, {}))

test_match_in_container if fires(testing.event("security_inode_unlink", {"pathname": "/var/lib/mysql/1"}, testing.container))

test_evasion_dotted if fires(testing.event("security_inode_unlink", {"pathname": "/home/bob/.x"}, {}))

test_near_miss_temporary if not fires(testing.event("security_inode_unlink", {"pathname": "/tmp/x"}, {}))

test_near_miss_package if not fires(testing.event("security_inode_unlink", {"pathname": "/usr/share/doc/x"}, testing.by("/usr/bin/dpkg")))
