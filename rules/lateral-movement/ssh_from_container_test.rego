package tocsin.tests.ssh_from_container

import data.tocsin.rules.ssh_from_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(ip, port, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": port}}, more)

test_match if fires(connect("192.0.2.7", "22", testing.container))

test_match_ipv6 if {
	addr := {"sa_family": "AF_INET6", "sin6_addr": "2001:db8::7", "sin6_port": "22"}
	fires(testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, testing.container))
}

test_evasion_own_client if fires(connect("192.0.2.7", "22", object.union(testing.container, testing.by("/tmp/x"))))

test_near_miss_other_port if not fires(connect("192.0.2.7", "2222", testing.container))

test_near_miss_host if not fires(connect("192.0.2.7", "22", {}))

test_near_miss_loopback if not fires(connect("127.0.0.1", "22", testing.container))
