package tracee.H_DOCUMENTS

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-documents", "version": "1", "name": "documents", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["net_packet_http_request"]

request := helpers.get_tracee_argument("http_request")

# An element of a list within a list, in the answer; lists that have nothing to do with each other; a member of a name, an element
# at a place, a number, a truth value, a length.
tracee_match := {"value": value, "host": request.host} if {
	some values in request.headers
	some value in values
	startswith(lower(value), "x-")
	not value in {"x-", "x-a"}
	contains(request.parts[_].name, "/etc/passwd")
	request.host != "a"
}

tracee_match := {"first": request.headers["User-Agent"][0], "whole": request.parts} if {
	request.content_length == 7
	request.chunked == true
	count(request.parts) > 1
	not request.headers.Host
}
