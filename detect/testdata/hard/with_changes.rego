package tracee.H_WITH_CHANGES

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-with_changes", "version": "1", "name": "with_changes", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

user := input.userId

place := input.executable.path

path := helpers.get_tracee_argument("pathname")

whole := input

# Changes within changes, of a member and below one, of the arguments, of all; values that outlive the change; and more changes than are
# kept apart.
tracee_match := {"user": u, "place": place, "here": here.userId, "size": n} if {
	u := user with input.userId as 4321
	u == 4321
	place == "/usr/bin/a" with input.executable.path as "/usr/bin/a"
	seen := [[user, path, place] | true] with input.userId as 7 with input.executable as {"path": path} with input.a.b as input.userId
	seen[0][1] == path
	path == "/x" with input.args as [{"name": "pathname", "value": "/x"}]
	not path with input as {"args": []}
	here := whole with input.userId as 99
	here.userId == 99
	here.eventName == input.eventName
	every i in numbers.range(1, 40) { user == i with input.userId as i }
	larger := whole with input.more as {"a": 1}
	n := count(larger) - count(input)
	helpers.get_tracee_argument("flags") != "O_RDONLY"
}
