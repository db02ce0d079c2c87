package tracee.H_WALKS

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-walks", "version": "1", "name": "walks", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_inode_unlink"]

name := helpers.get_tracee_argument("pathname")

# Walks that are kept, that end early, of sets and of what is no collection, within each other, of a changed input; and paths that are
# given, used late, or not at all.
tracee_match := {"places": places, "kept": kept, "below": below} if {
	startswith(name, "/etc/")
	places := {concat("/", [sprintf("%v", [p]) | some p in path]) | walk(input.args[0], [path, name])}
	kept := [pair | walk({"a": {name, 1}}, pair)]
	walk(input.args, [[0, "value"], name])
	walk(name, [[], itself])
	itself == name
	not walk(input.executable, [["path"], 7])
	below := [[outer, inner] | walk([[name]], [outer, list]); walk(list, [inner, name])]
	some x
	walk(input, [["userId"], x]) with input as {"userId": 4}
	x == 4
}

tracee_match := {"one": path} if {
	walk(input.args, [path, "/x"])
	count(path) > 0
}
