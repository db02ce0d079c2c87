package tocsin.tests.cloud_metadata_access

import data.tocsin.testing

connect(addr, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, more)

inet(ip) := {"sa_family": "AF_INET", "sin_addr": ip, "sin_port": "80"}

inet6(ip) := {"sa_family": "AF_INET6", "sin6_addr": ip, "sin6_port": "80"}

test_match if testing.fires("cloud_metadata_access", connect(inet("169.254.169.254"), testing.container))

test_match_ipv6 if testing.fires("cloud_metadata_access", connect(inet6("fd00:ec2::254"), testing.container))

test_match_ecs if testing.fires("cloud_metadata_access", connect(inet("169.254.170.2"), testing.container))

test_evasion_mapped_address if testing.fires("cloud_metadata_access", connect(inet6("::ffff:169.254.169.254"), testing.container))

test_near_miss_neighbour if not testing.fires("cloud_metadata_access", connect(inet("169.254.169.253"), testing.container))

test_near_miss_host if not testing.fires("cloud_metadata_access", connect(inet("169.254.169.254"), {}))
