package tocsin.tests.outbound_connection

import data.tocsin.rules.outbound_connection as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(addr) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, {})

test_match if fires(connect({"sa_family": "AF_INET", "sin_addr": "203.0.113.5", "sin_port": "4444"}))

test_match_ipv6 if fires(connect({"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": "4444"}))

test_evasion_mapped_address if fires(connect({"sa_family": "AF_INET6", "sin6_addr": "::ffff:203.0.113.5", "sin6_port": "4444"}))

test_near_miss_network if not fires(connect({"sa_family": "AF_INET", "sin_addr": "10.1.2.3", "sin_port": "4444"}))

test_near_miss_port if not fires(connect({"sa_family": "AF_INET", "sin_addr": "203.0.113.5", "sin_port": "443"}))

test_near_miss_loopback if not fires(connect({"sa_family": "AF_INET", "sin_addr": "127.0.0.1", "sin_port": "4444"}))
