package tocsin.tests.container_runtime_socket

import data.tocsin.rules.container_runtime_socket as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

connect(addr, more) := testing.event("security_socket_connect", {"sockfd": 3, "remote_addr": addr}, more)

unix(path) := {"sa_family": "AF_UNIX", "sun_path": path}

test_match_docker if fires(connect(unix("/var/run/docker.sock"), testing.container))

test_match_containerd if fires(connect(unix("/run/containerd/containerd.sock"), testing.container))

test_match_opened if fires(testing.opened("/run/podman/podman.sock", "O_RDWR", testing.container))

test_evasion_mounted_elsewhere if fires(connect(unix("/tmp/x/host/run/docker.sock"), testing.container))

test_near_miss_on_the_host if not fires(connect(unix("/var/run/docker.sock"), {}))

test_near_miss_other_socket if not fires(connect(unix("/var/run/mysqld/mysqld.sock"), testing.container))

test_near_miss_name_within if not fires(connect(unix("/run/notdocker.sock"), testing.container))

test_near_miss_inet if not fires(connect({"sa_family": "AF_INET", "sin_addr": "10.0.0.1", "sin_port": "2377"}, testing.container))

test_evasion_relative_path if fires(connect({"sa_family": "AF_UNIX", "sun_path": "docker.sock"}, testing.container))

test_match_network if {
	fires(connect({"sa_family": "AF_INET", "sin_addr": "172.17.0.1", "sin_port": "2375"}, testing.container))
}
