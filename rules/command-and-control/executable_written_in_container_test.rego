package tocsin.tests.executable_written_in_container

import data.tocsin.rules.executable_written_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("magic_write", {"pathname": "/tmp/x", "bytes": "f0VMRgIBAQA="}, testing.container))

test_match_2 if fires(testing.event("magic_write", {"pathname": "/usr/bin/ls", "bytes": "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAA"}, testing.container))

test_evasion_text_name if fires(testing.event("magic_write", {"pathname": "/var/www/logo.png", "bytes": "f0VMRgIBAQA="}, testing.container))

test_near_miss_text if not fires(testing.event("magic_write", {"pathname": "/tmp/x", "bytes": "IyEvYmluL3NoCg=="}, testing.container))

test_near_miss_host if not fires(testing.event("magic_write", {"pathname": "/tmp/x", "bytes": "f0VMRgIBAQA="}, {}))

test_near_miss_package if not fires(testing.event("magic_write", {"pathname": "/usr/bin/x", "bytes": "f0VMRgIBAQA="}, object.union(testing.container, testing.by("/usr/bin/dpkg"))))
