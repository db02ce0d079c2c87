package tocsin.tests.executable_written_to_hidden_path

import data.tocsin.rules.executable_written_to_hidden_path as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("magic_write", {"pathname": "/tmp/.x/a", "bytes": "f0VMRgIBAQA="}, {}))

test_match_2 if fires(testing.event("magic_write", {"pathname": "/usr/lib/.b.so", "bytes": "f0VMRgIBAQA="}, testing.container))

test_evasion_three_dots if fires(testing.event("magic_write", {"pathname": "/dev/.../a", "bytes": "f0VMRgIBAQA="}, {}))

test_near_miss_cache if not fires(testing.event("magic_write", {"pathname": "/root/.cache/go-build/x", "bytes": "f0VMRgIBAQA="}, {}))

test_near_miss_visible if not fires(testing.event("magic_write", {"pathname": "/tmp/a", "bytes": "f0VMRgIBAQA="}, {}))

test_near_miss_text if not fires(testing.event("magic_write", {"pathname": "/tmp/.x", "bytes": "aGVsbG8="}, {}))
