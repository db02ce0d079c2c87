package tocsin.tests.mining_pool_connection

import data.tocsin.rules.mining_pool_connection as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connected(addr, more) := testing.event("security_socket_connect", {"sockfd": 5, "remote_addr": addr, "type": "SOCK_STREAM"}, more)

test_match if fires(connected({"sa_family": "AF_INET", "sin_addr": "203.0.113.1", "sin_port": "3333"}, {}))

test_match_in_container if fires(connected({"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": "14444"}, testing.container))

test_evasion_mapped_address if fires(connected({"sa_family": "AF_INET6", "sin6_addr": "::ffff:203.0.113.1", "sin6_port": "3333"}, {}))

test_near_miss_private if not fires(connected({"sa_family": "AF_INET", "sin_addr": "10.1.2.3", "sin_port": "3333"}, {}))

test_near_miss_loopback if not fires(connected({"sa_family": "AF_INET", "sin_addr": "127.0.0.1", "sin_port": "3333"}, {}))

test_near_miss_web if not fires(connected({"sa_family": "AF_INET", "sin_addr": "203.0.113.1", "sin_port": "443"}, {}))
