package tocsin.tests.web_shell_request

import data.tocsin.rules.web_shell_request as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

by_server := object.union(testing.container, testing.by("/usr/sbin/nginx"))

test_match if fires(testing.requested("POST", "shop", "/uploads/c99.php", testing.container))

test_match_tunnel if fires(testing.requested("POST", "10.0.0.9", "/tunnel.jsp", testing.container))

test_evasion_case if fires(testing.requested("GET", "shop", "/Uploads/C99.PHP", testing.container))

test_evasion_path_after_it if fires(testing.requested("GET", "shop", "/c99.php/logo.png", testing.container))

test_evasion_parameter_after_it if fires(testing.requested("GET", "shop", "/tunnel.jsp;logo.png", testing.container))

test_near_miss_part_of_a_name if not fires(testing.requested("GET", "shop", "/uploads/abc99.php", testing.container))

test_near_miss_page if not fires(testing.requested("GET", "shop", "/index.php", testing.container))

test_near_miss_proxy if not fires(testing.requested("GET", "shop", "/c99.php", by_server))

test_near_miss_host if not fires(testing.requested("GET", "shop", "/c99.php", {}))
