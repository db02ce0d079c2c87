package tocsin.tests.container_runtime_socket

import data.tocsin.testing

connect(addr, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, more)

unix(path) := {"sa_family": "AF_UNIX", "sun_path": path}

test_match_docker if testing.fires("container_runtime_socket", connect(unix("/var/run/docker.sock"), testing.container))

test_match_containerd if testing.fires("container_runtime_socket", connect(unix("/run/containerd/containerd.sock"), testing.container))

test_evasion_mounted_elsewhere if testing.fires("container_runtime_socket", connect(unix("/tmp/x/host/run/docker.sock"), testing.container))

test_near_miss_on_the_host if not testing.fires("container_runtime_socket", connect(unix("/var/run/docker.sock"), {}))

test_near_miss_other_socket if not testing.fires("container_runtime_socket", connect(unix("/var/run/mysqld/mysqld.sock"), testing.container))

test_near_miss_name_within if not testing.fires("container_runtime_socket", connect(unix("/run/notdocker.sock"), testing.container))

test_near_miss_inet if not testing.fires("container_runtime_socket", connect({"sa_family": "AF_INET", "sin_addr": "10.0.0.1", "sin_port": "2375"}, testing.container))
