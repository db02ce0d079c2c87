package tocsin.tests.ransomware_rename

import data.tocsin.rules.ransomware_rename as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.renamed("/home/bob/a.txt", "/home/bob/a.txt.locked", {}))

test_match_in_container if fires(testing.renamed("/data/db.ibd", "/data/db.ibd.enc", testing.container))

test_evasion_number if fires(testing.renamed("/home/bob/a.txt", "/home/bob/a.txt.1", {}))

test_near_miss_replaced if not fires(testing.renamed("/etc/x.tmp", "/etc/x", {}))

test_near_miss_moved if not fires(testing.renamed("/a/a.txt", "/b/a.txt", {}))

test_near_miss_package if not fires(testing.renamed("/etc/x", "/etc/x.dpkg-old", testing.by("/usr/bin/dpkg")))
