package tocsin.tests.encrypted_dns_in_container

import data.tocsin.rules.encrypted_dns_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(ip, port, more) := testing.event(
	"security_socket_connect",
	{"sockfd": 3, "remote_addr": {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": port}, "type": "SOCK_STREAM"},
	more,
)

connect6(ip, port) := testing.event(
	"security_socket_connect",
	{"sockfd": 3, "remote_addr": {"sa_family": "AF_INET6", "sin6_addr": ip, "sin6_port": port}, "type": "SOCK_STREAM"},
	testing.container,
)

test_match_tls if fires(connect("203.0.113.1", "853", testing.container))

test_match_https if fires(connect("1.1.1.1", "443", testing.container))

test_match_ipv6 if fires(connect6("2606:4700:4700::1111", "443"))

test_evasion_mapped_address if fires(connect6("::ffff:8.8.8.8", "443"))

test_evasion_private_resolver if fires(connect6("fd00::1", "853"))

test_near_miss_plain if not fires(connect("1.1.1.1", "53", testing.container))

test_near_miss_other_server if not fires(connect("203.0.113.1", "443", testing.container))

test_near_miss_own_machine if not fires(connect("127.0.0.1", "853", testing.container))

test_near_miss_host if not fires(connect("1.1.1.1", "853", {}))
