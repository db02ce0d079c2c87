package tocsin.tests.hard_link_into_system

import data.tocsin.rules.hard_link_into_system as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

link(path, more) := testing.event("linkat", {"oldpath": "/tmp/x", "newpath": path}, more)

test_match_cron if fires(link("/etc/cron.d/x", {}))

test_match_old_call if fires(testing.event("link", {"oldpath": "/tmp/x", "newpath": "/etc/sudoers.d/x"}, {}))

test_match_keys if fires(link("/home/bob/.ssh/authorized_keys", {}))

test_evasion_mounted_host if fires(link("/host/etc/cron.d/x", testing.container))

test_near_miss_same_path_on_the_host if not fires(link("/srv/etc/cron.d/x", {}))

test_near_miss_account_lock if not fires(link("/etc/passwd.lock", testing.by("/usr/sbin/useradd")))

test_near_miss_package_manager if not fires(link("/etc/cron.d/x.dpkg-tmp", testing.by("/usr/bin/dpkg")))

test_near_miss_elsewhere if not fires(link("/srv/git/objects/x", {}))
