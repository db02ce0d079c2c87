package tocsin.tests.container_client_in_container

import data.tocsin.testing

test_match_1 if testing.fires("container_client_in_container", testing.executed("/usr/local/bin/kubectl", ["/usr/local/bin/kubectl", "get", "secrets"], testing.container))

test_match_2 if testing.fires("container_client_in_container", testing.executed("/usr/bin/docker", ["/usr/bin/docker", "ps"], testing.container))

test_evasion_other_argv0 if testing.fires("container_client_in_container", testing.executed("/usr/local/bin/kubectl", ["-x", "get", "secrets"], testing.container))

test_evasion_other_directory if testing.fires("container_client_in_container", testing.executed("/opt/.x/usr/local/bin/kubectl", ["/usr/local/bin/kubectl", "get", "secrets"], testing.container))

test_near_miss_1 if not testing.fires("container_client_in_container", testing.executed("/usr/bin/dockerx", ["/usr/bin/dockerx"], testing.container))

test_near_miss_2 if not testing.fires("container_client_in_container", testing.executed("/usr/bin/kubectl-completion", ["/usr/bin/kubectl-completion"], testing.container))

test_near_miss_host if not testing.fires("container_client_in_container", testing.executed("/usr/local/bin/kubectl", ["/usr/local/bin/kubectl", "get", "secrets"], {}))
