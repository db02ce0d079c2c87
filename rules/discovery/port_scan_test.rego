package tocsin.tests.port_scan

import data.tocsin.rules.port_scan as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(addr, type, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr, "type": type}, more)

inet := {"sa_family": "AF_INET", "sin_addr": "10.0.0.1", "sin_port": "22"}

# What counts; the threshold itself is the engine's.
test_match if fires(connect(inet, "SOCK_STREAM", {}))

test_match_in_container if fires(connect(inet, "SOCK_STREAM", testing.container))

test_evasion_ipv6 if fires(connect({"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": "22"}, "SOCK_STREAM", {}))

test_near_miss_dns if not fires(connect(inet, "SOCK_DGRAM", {}))

test_near_miss_unix if not fires(connect({"sa_family": "AF_UNIX", "sun_path": "/x"}, "SOCK_STREAM", {}))

test_near_miss_prometheus if not fires(connect(inet, "SOCK_STREAM", testing.by("/usr/bin/prometheus")))
