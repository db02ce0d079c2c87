package tocsin.tests.reverse_shell

import data.tocsin.rules.reverse_shell as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

dup(newfd, addr, more) := testing.event("socket_dup", {"oldfd": 3, "newfd": newfd, "remote_addr": addr}, more)

inet(ip) := {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": "4444"}

connect(fd, addr) := testing.event("security_socket_connect", {"sockfd": fd, "remote_addr": addr}, {})

test_match_stdin if fires(dup(0, inet("203.0.113.5"), {}))

test_match_in_container if fires(dup(1, inet("203.0.113.5"), testing.container))

test_match_ipv6 if {
	fires(dup(2, {"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": "443"}, {}))
}

test_evasion_socket_made_as_stdin if fires(connect(0, inet("203.0.113.5")))

test_near_miss_ordinary_connect if not fires(connect(3, inet("203.0.113.5")))

test_near_miss_loopback if not fires(dup(0, inet("127.0.0.1"), {}))

test_evasion_mapped_address if {
	fires(dup(0, {"sa_family": "AF_INET6", "sin6_addr": "::ffff:203.0.113.5", "sin6_port": "443"}, {}))
}

test_near_miss_other_descriptor if not fires(dup(7, inet("203.0.113.5"), {}))

test_near_miss_unix_socket if not fires(dup(0, {"sa_family": "AF_UNIX", "sun_path": "/run/x"}, {}))

test_near_miss_inetd if not fires(dup(0, inet("203.0.113.5"), testing.by("/usr/sbin/xinetd")))
