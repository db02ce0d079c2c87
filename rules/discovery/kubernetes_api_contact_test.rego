package tocsin.tests.kubernetes_api_contact

import data.tocsin.rules.kubernetes_api_contact as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(ip, port, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": port}}, more)

test_match_service if fires(connect("10.96.0.1", "443", testing.container))

test_match_port if fires(connect("192.0.2.7", "6443", testing.container))

test_evasion_ipv6 if {
	addr := {"sa_family": "AF_INET6", "sin6_addr": "2001:db8::7", "sin6_port": "6443"}
	fires(testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, testing.container))
}

test_near_miss_host if not fires(connect("10.96.0.1", "443", {}))

test_near_miss_other if not fires(connect("10.96.0.10", "53", testing.container))

test_match_kubelet if fires(connect("10.0.0.4", "10250", testing.container))
