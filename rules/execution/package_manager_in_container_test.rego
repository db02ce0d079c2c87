package tocsin.tests.package_manager_in_container

import data.tocsin.rules.package_manager_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/apt-get", ["/usr/bin/apt-get", "install", "nmap"], testing.container))

test_match_2 if fires(testing.executed("/sbin/apk", ["/sbin/apk", "add", "curl"], testing.container))

test_evasion_other_argv0 if fires(testing.executed("/usr/bin/apt-get", ["-x", "install", "nmap"], testing.container))

test_evasion_other_directory if fires(testing.executed("/opt/.x/usr/bin/apt-get", ["/usr/bin/apt-get", "install", "nmap"], testing.container))

test_match_script_or_link if fires(testing.event("sched_process_exec", {"cmdpath": "/usr/bin/apt-get", "pathname": "/usr/bin/dash", "argv": ["sh", "/usr/bin/apt-get", "install", "nmap"]}, testing.container))

test_near_miss_1 if not fires(testing.executed("/usr/bin/apt-cache", ["/usr/bin/apt-cache"], testing.container))

test_near_miss_2 if not fires(testing.executed("/usr/bin/aptx", ["/usr/bin/aptx"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/bin/apt-get", ["/usr/bin/apt-get", "install", "nmap"], {}))
