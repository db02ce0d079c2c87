package tocsin.tests.program_fetched_from_bare_address

import data.tocsin.rules.program_fetched_from_bare_address as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

sent(method, host, path, address, more) := testing.event(
	"net_packet_http_request",
	{
		"metadata": {"src_ip": "10.0.0.2", "dst_ip": address, "src_port": 40000, "dst_port": 80},
		"http_request": {"method": method, "host": host, "uri_path": path, "headers": {}},
	},
	more,
)

fetched(host, path) := sent("GET", host, path, "203.0.113.1", testing.container)

test_match if fires(fetched("203.0.113.1", "/kinsing.sh"))

test_match_port if fires(fetched("203.0.113.1:8080", "/bins/x.mips"))

test_match_ipv6 if fires(sent("GET", "[2001:db8::1]:8080", "/a.elf", "2001:db8::1", testing.container))

test_evasion_decimal_address if fires(fetched("3405803777", "/a.sh"))

test_evasion_hexadecimal_address if fires(fetched("0xCB.0.113.1", "/a.sh"))

test_evasion_case if fires(fetched("203.0.113.1", "/A.SH"))

test_near_miss_name if not fires(fetched("get.example.com", "/install.sh"))

test_near_miss_page if not fires(fetched("203.0.113.1", "/index.html"))

test_near_miss_private if not fires(sent("GET", "10.1.2.3", "/install.sh", "10.1.2.3", testing.container))

test_near_miss_upload if not fires(sent("PUT", "203.0.113.1", "/install.sh", "203.0.113.1", testing.container))

test_near_miss_host if not fires(sent("GET", "203.0.113.1", "/install.sh", "203.0.113.1", {}))
