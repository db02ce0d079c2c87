# What several built-in rules ask. Rules in other directories may use it as well.
package tocsin.helpers

import data.tracee.helpers

# A file was opened in a way that can change its content: for writing, or truncated while opened for reading.
opened_for_change(flags) if helpers.is_file_write(flags)

opened_for_change(flags) if contains(flags, "O_TRUNC")

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
