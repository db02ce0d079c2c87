package tocsin.tests.reverse_shell

import data.tocsin.testing

dup(newfd, addr, more) := testing.event("socket_dup", {"oldfd": 3, "newfd": newfd, "remote_addr": addr}, more)

inet(ip) := {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": "4444"}

connect(fd, addr) := testing.event("security_socket_connect", {"sockfd": fd, "remote_addr": addr}, {})

test_match_stdin if testing.fires("reverse_shell", dup(0, inet("203.0.113.5"), {}))

test_match_in_container if testing.fires("reverse_shell", dup(1, inet("203.0.113.5"), testing.container))

test_match_ipv6 if {
	testing.fires("reverse_shell", dup(2, {"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": "443"}, {}))
}

test_evasion_socket_made_as_stdin if testing.fires("reverse_shell", connect(0, inet("203.0.113.5")))

test_near_miss_ordinary_connect if not testing.fires("reverse_shell", connect(3, inet("203.0.113.5")))

test_near_miss_loopback if not testing.fires("reverse_shell", dup(0, inet("127.0.0.1"), {}))

test_evasion_mapped_address if {
	testing.fires("reverse_shell", dup(0, {"sa_family": "AF_INET6", "sin6_addr": "::ffff:203.0.113.5", "sin6_port": "443"}, {}))
}

test_near_miss_other_descriptor if not testing.fires("reverse_shell", dup(7, inet("203.0.113.5"), {}))

test_near_miss_unix_socket if not testing.fires("reverse_shell", dup(0, {"sa_family": "AF_UNIX", "sun_path": "/run/x"}, {}))

test_near_miss_inetd if not testing.fires("reverse_shell", dup(0, inet("203.0.113.5"), testing.by("/usr/sbin/xinetd")))
