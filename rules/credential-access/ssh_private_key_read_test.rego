package tocsin.tests.ssh_private_key_read

import data.tocsin.rules.ssh_private_key_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/root/.ssh/id_ed25519", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_2 if fires(testing.opened("/etc/ssh/ssh_host_rsa_key", "O_RDONLY", testing.container))

test_evasion_own_program if fires(testing.opened("/home/bob/.ssh/id_rsa", "O_RDONLY", testing.by("/tmp/ssh")))

test_near_miss_public if not fires(testing.opened("/root/.ssh/id_ed25519.pub", "O_RDONLY", {}))

test_near_miss_ssh if not fires(testing.opened("/root/.ssh/id_rsa", "O_RDONLY", testing.by("/usr/bin/ssh")))

test_near_miss_1 if not fires(testing.opened("/root/.ssh/known_hosts", "O_RDONLY", {}))

test_evasion_moved_away if fires(testing.renamed("/root/.ssh/id_rsa", "/tmp/x", {}))

test_near_miss_moved_public_key if not fires(testing.renamed("/root/.ssh/id_rsa.pub", "/tmp/x", {}))

test_match_other_name if fires(testing.opened("/home/bob/.ssh/id_work", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_unusual_home if fires(testing.opened("/var/lib/jenkins/.ssh/id_rsa", "O_RDONLY", testing.by("/usr/bin/cat")))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/srv/.ssh/id_work", "O_RDONLY", testing.container))
