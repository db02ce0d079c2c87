package tocsin.tests.tunnel_tool

import data.tocsin.rules.tunnel_tool as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/tmp/chisel", ["/tmp/chisel", "client", "203.0.113.5"], {}))

test_match_2 if fires(testing.executed("/usr/local/bin/ngrok", ["/usr/local/bin/ngrok", "tcp", "22"], {}))

test_evasion_other_argv0 if fires(testing.executed("/tmp/chisel", ["-x", "client", "203.0.113.5"], {}))

test_evasion_other_directory if fires(testing.executed("/opt/.x/tmp/chisel", ["/tmp/chisel", "client", "203.0.113.5"], {}))

test_match_script_or_link if fires(testing.event("sched_process_exec", {"cmdpath": "/tmp/chisel", "pathname": "/usr/bin/dash", "argv": ["sh", "/tmp/chisel", "client", "203.0.113.5"]}, {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/chiselx", ["/usr/bin/chiselx"], {}))

test_near_miss_2 if not fires(testing.executed("/usr/bin/ssh", ["/usr/bin/ssh", "host"], {}))

test_match_in_container if fires(testing.executed("/usr/bin/frpc", ["/usr/bin/frpc"], testing.container))
