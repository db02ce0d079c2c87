package tocsin.tests.attack_tool_request

import data.tocsin.rules.attack_tool_request as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

sent(agents, more) := testing.event(
	"net_packet_http_request",
	{"http_request": {"method": "GET", "host": "shop", "uri_path": "/", "headers": {"User-Agent": agents}}},
	object.union(testing.container, more),
)

test_match if fires(sent(["sqlmap/1.8#stable (https://sqlmap.org)"], {}))

test_match_nmap if fires(sent(["Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)"], {}))

test_evasion_case if fires(sent(["SQLMap/1.8"], {}))

test_evasion_second_header if fires(sent(["curl/8.5.0", "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)"], {}))

test_near_miss_browser if not fires(sent(["Mozilla/5.0 (X11; Linux x86_64)"], {}))

test_near_miss_no_agent if not fires(testing.requested("GET", "shop", "/sqlmap", testing.container))

test_near_miss_proxy if not fires(sent(["sqlmap/1.8"], testing.by("/usr/sbin/nginx")))

test_near_miss_host if not fires(sent(["sqlmap/1.8"], {"origin": "host", "containerId": ""}))
