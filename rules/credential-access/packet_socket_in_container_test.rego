package tocsin.tests.packet_socket_in_container

import data.tocsin.rules.packet_socket_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

socket(family, type, protocol, more) := testing.event("security_socket_create", {"family": family, "type": type, "protocol": protocol, "kern": 0}, more)

test_match_packet if fires(socket("AF_PACKET", "SOCK_RAW", 768, testing.container))

test_match_raw if fires(socket("AF_INET", "SOCK_RAW|SOCK_CLOEXEC", 255, testing.container))

test_evasion_datagram if fires(socket("AF_PACKET", "SOCK_DGRAM", 768, testing.container))

test_near_miss_ping if not fires(socket("AF_INET", "SOCK_RAW", 1, testing.container))

test_near_miss_ping6 if not fires(socket("AF_INET6", "SOCK_RAW", 58, testing.container))

test_near_miss_stream if not fires(socket("AF_INET", "SOCK_STREAM", 6, testing.container))

test_near_miss_host if not fires(socket("AF_PACKET", "SOCK_RAW", 768, {}))
