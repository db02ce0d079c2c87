# What Tracee's rules know as data.tracee.helpers.
package tracee.helpers

import rego.v1

# The value of the event's argument, undefined when the event does not carry it.
get_tracee_argument(name) := value if {
	some arg in input.args
	arg.name == name
	value := arg.value
}

default is_file_write(_) := false

is_file_write(flags) if contains(lower(flags), "o_wronly")

is_file_write(flags) if contains(lower(flags), "o_rdwr")

default is_file_read(_) := false

is_file_read(flags) if contains(lower(flags), "o_rdonly")

is_file_read(flags) if contains(lower(flags), "o_rdwr")

default is_elf_file(_) := false

# bytes is base64; an ELF file starts with 0x7f "ELF".
is_elf_file(bytes) if lower(substring(base64.decode(bytes), 1, 3)) == "elf"
