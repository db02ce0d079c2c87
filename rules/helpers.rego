# What several built-in rules ask. Rules in other directories may use it as well.
package tocsin.helpers

import data.tracee.helpers

# A file was opened in a way that can change its content: for writing, or truncated while opened for reading.
opened_for_change(flags) if helpers.is_file_write(flags)

opened_for_change(flags) if contains(flags, "O_TRUNC")

# The path of a file that the event opens in a way that can change it, puts into place under that name, or links there.
changed_path := path if {
	input.eventName == "security_file_open"
	opened_for_change(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
}

changed_path := path if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("new_path")
}

changed_path := path if {
	input.eventName == "security_inode_symlink"
	path := helpers.get_tracee_argument("linkpath")
}

# The program that is executed has one of the names, which are ends of paths: its file, or the script or link by which it
# was called, or what is asked of a program that runs others.
runs(names) if {
	path := helpers.get_tracee_argument("pathname")
	some name in names
	endswith(path, name)
}

runs(names) if {
	path := helpers.get_tracee_argument("cmdpath")
	some name in names
	endswith(path, name)
}

# An applet of a program of many: "busybox nc".
runs(names) if {
	path := helpers.get_tracee_argument("pathname")
	some box in {"/busybox", "/toybox"}
	endswith(path, box)
	some name in names
	helpers.get_tracee_argument("argv")[1] == trim_prefix(name, "/")
}

# A program that the dynamic loader was asked to start, which needs no right to execute: "ld.so /tmp/nc".
runs(names) if {
	loader
	some arg in helpers.get_tracee_argument("argv")
	some name in names
	endswith(arg, name)
}

loader if {
	path := helpers.get_tracee_argument("pathname")
	some name in data.tocsin.lists.loaders
	endswith(path, name)
}

loader if {
	path := helpers.get_tracee_argument("cmdpath")
	some name in data.tocsin.lists.loaders
	endswith(path, name)
}

# The same for a program that lies in one of the directories.
loads_from(directories) if {
	loader
	some arg in helpers.get_tracee_argument("argv")
	some directory in directories
	startswith(arg, directory)
}

# A shell or another program that runs what it is given as text.
interpreter if runs(data.tocsin.lists.shells)

interpreter if runs(data.tocsin.lists.interpreters)

# A program that only translates: builds start thousands, and what stands in their arguments and environment does nothing.
build_program if {
	path := helpers.get_tracee_argument("pathname")
	some start in data.tocsin.lists.build_programs
	startswith(path, start)
}

# A package manager, or a script of a package that it runs.
package_manager if input.executable.path in data.tocsin.lists.package_managers

package_manager if {
	some ancestor in input.process.ancestors
	ancestor.executable in data.tocsin.lists.package_managers
}

# The program that started this one is one of the list.
parent_in(list) if input.process.ancestors[0].executable in list

# An address that is another machine's, or at least may be: neither this host's nor unset.
remote_ip(addr) := ip if {
	ip := addr.sin_addr
	not startswith(ip, "127.")
	ip != "0.0.0.0"
}

remote_ip(addr) := ip if {
	ip := addr.sin6_addr
	not startswith(ip, "::ffff:127.")
	not ip in {"::1", "::"}
}

# The port of an address, as text.
port(addr) := addr.sin_port

port(addr) := addr.sin6_port

# A container runtime at work on the host.
runtime if {
	input.origin == "host"
	input.executable.path in data.tocsin.lists.runtimes
}

# It joins a container before it executes the container's program, some as a copy of itself that the container cannot
# overwrite (CVE-2019-5736). A program of the same name in a container was started by something else.
runtime if {
	runtime_image(input.executable.path)
	input.process.ancestors[0].executable in data.tocsin.lists.runtimes
}

runtime if {
	runtime_image(input.executable.path)
	runtime_image(input.process.ancestors[0].executable)
	input.process.ancestors[1].executable in data.tocsin.lists.runtimes
}

runtime if {
	runtime_image(input.executable.path)
	runtime_image(input.process.ancestors[0].executable)
	runtime_image(input.process.ancestors[1].executable)
	input.process.ancestors[2].executable in data.tocsin.lists.runtimes
}

runtime_image(path) if path in data.tocsin.lists.runtimes

runtime_image(path) if {
	some copy in data.tocsin.lists.runtime_copies
	startswith(path, copy)
}

# The name is one of the domains, or below one.
below(name, domains) if name in domains

below(name, domains) if {
	some domain in domains
	endswith(name, concat("", [".", domain]))
}

# A server, or a proxy: what it sends may be what others sent to it.
server if {
	some name in data.tocsin.lists.servers
	endswith(input.executable.path, name)
}
