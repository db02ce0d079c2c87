package tocsin.tests.sensitive_host_path_mounted

import data.tocsin.rules.sensitive_host_path_mounted as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

bind(source, flags, more) := testing.event("security_sb_mount", {"dev_name": source, "path": "/var/lib/c/rootfs/host", "type": "bind", "flags": flags}, more)

started := object.union(testing.container, testing.runtime)

test_match_root if fires(bind("/", "MS_BIND|MS_REC", started))

test_match_etc if fires(bind("/etc", "MS_BIND|MS_RDONLY", testing.runtime))

test_match_socket if fires(bind("/run/docker.sock", "MS_BIND", started))

test_evasion_with_a_slash if fires(bind("/etc/", "MS_BIND|MS_REC", started))

test_evasion_other_name_of_the_socket if fires(bind("/host/run/containerd/containerd.sock", "MS_BIND", started))

test_near_miss_part if not fires(bind("/etc/localtime", "MS_BIND", started))

test_near_miss_new_file_system if not fires(bind("/", "MS_NOSUID", started))

test_near_miss_administrator if not fires(bind("/etc", "MS_BIND", {}))
