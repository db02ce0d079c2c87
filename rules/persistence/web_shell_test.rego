package tocsin.tests.web_shell

import data.tocsin.rules.web_shell as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/dash", ["/usr/bin/dash", "-c", "id"], testing.child_of("/usr/sbin/nginx")))

test_match_2 if fires(testing.executed("/bin/sh", ["/bin/sh", "-c", "id"], object.union(testing.container, testing.child_of("/usr/sbin/php-fpm8.2"))))

test_match_3 if fires(testing.executed("/bin/bash", ["/bin/bash"], testing.child_of("/usr/lib/postgresql/15/bin/postgres")))

test_evasion_other_argv0 if fires(testing.executed("/usr/bin/bash", ["kworker"], testing.child_of("/usr/sbin/apache2")))

test_near_miss_other_parent if not fires(testing.executed("/bin/sh", ["/bin/sh"], testing.child_of("/usr/sbin/cron")))

test_near_miss_no_shell if not fires(testing.executed("/usr/bin/convert", ["/usr/bin/convert"], testing.child_of("/usr/sbin/apache2")))

test_near_miss_name if not fires(testing.executed("/bin/sh", ["/bin/sh"], testing.child_of("/usr/bin/mynginx")))

test_evasion_no_shell if fires(testing.executed("/usr/bin/curl", ["curl", "http://203.0.113.1/x"], testing.child_of("/usr/sbin/nginx")))

test_near_miss_fetched_by_another if not fires(testing.executed("/usr/bin/curl", ["curl"], testing.child_of("/usr/sbin/cron")))

ancestors(list) := {"process": {"ancestors": [{"executable": path} | some path in list]}}

test_evasion_by_another_program if {
	fires(testing.executed("/usr/bin/dash", ["sh"], ancestors(["/usr/bin/timeout", "/usr/sbin/nginx"])))
}

test_near_miss_far_descendant if {
	not fires(testing.executed("/usr/bin/dash", ["sh"], ancestors(["/usr/bin/sudo", "/usr/bin/make", "/usr/sbin/nginx"])))
}
