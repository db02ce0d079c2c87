package tocsin.tests.ssh_on_other_port

import data.tocsin.rules.ssh_on_other_port as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(comm, ip, port) := testing.event(
	"security_socket_connect",
	{"sockfd": 3, "remote_addr": {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": port}, "type": "SOCK_STREAM"},
	{"processName": comm},
)

test_match if fires(connect("ssh", "203.0.113.1", "8022"))

test_evasion_ipv6 if {
	fires(testing.event("security_socket_connect", {"remote_addr": {"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": "443"}}, {"processName": "ssh"}))
}

test_near_miss_port if not fires(connect("ssh", "203.0.113.1", "22"))

test_near_miss_own_machine if not fires(connect("ssh", "127.0.0.1", "8022"))

test_near_miss_other_program if not fires(connect("curl", "203.0.113.1", "443"))

test_near_miss_name_service if {
	not fires(testing.event("security_socket_connect", {"remote_addr": {"sa_family": "AF_INET", "sin_addr": "192.0.2.1", "sin_port": "53"}, "type": "SOCK_DGRAM"}, {"processName": "ssh"}))
}
