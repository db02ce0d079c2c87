package tracee.H_ARGUMENTS

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-arguments", "version": "1", "name": "arguments", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_inode_unlink", "sched_process_exit"]

arguments := input.args

last := arguments[count(arguments) - 1]

whole(list) := list

# The arguments as a list: by place, one by one, taken apart, compared, kept, handed on, given to functions, and changed.
tracee_match := {"last": last, "names": names, "all": all, "types": types} if {
	names := {a.name | some a in arguments}
	all := [a | some a in whole(input.args); a.value != 0]
	types := [t | t := input.args[_].type]
	is_array(arguments)
	is_object(last)
	not arguments[-1]
	not arguments[99]
	not last.nonsense
	last == arguments[_]
	last != arguments
	object.get(last, "user", false) == false
	count(names) == count(arguments) with input.args as arguments
	some i, a in input.args
	a.name == input.args[i].name
	{"name": first, "type": _, "value": value} = arguments[0]
	first == {"pathname", "exit_code"}[_]
	value != "x"
}

tracee_match := {"one": one} if {
	[one] = input.args
	one == last
	one.value == "x"
}
