package tocsin.tests.cloud_metadata_access

import data.tocsin.rules.cloud_metadata_access as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(addr, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, more)

inet(ip) := {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": "80"}

inet6(ip) := {"sa_family": "AF_INET6", "sin6_addr": ip, "sin6_port": "80"}

test_match if fires(connect(inet("169.254.169.254"), testing.container))

test_match_ipv6 if fires(connect(inet6("fd00:ec2::254"), testing.container))

test_match_ecs if fires(connect(inet("169.254.170.2"), testing.container))

test_evasion_mapped_address if fires(connect(inet6("::ffff:169.254.169.254"), testing.container))

test_near_miss_neighbour if not fires(connect(inet("169.254.169.253"), testing.container))

test_near_miss_host if not fires(connect(inet("169.254.169.254"), {}))
