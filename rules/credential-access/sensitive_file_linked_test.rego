package tocsin.tests.sensitive_file_linked

import data.tocsin.rules.sensitive_file_linked as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

hard(target, more) := testing.event("linkat", {"oldpath": target, "newpath": "/tmp/x"}, more)

test_match_symbolic if fires(testing.linked("/tmp/x", "/etc/shadow", {}))

test_match_hard if fires(testing.event("link", {"oldpath": "/etc/shadow", "newpath": "/tmp/x"}, {}))

test_match_cluster if fires(testing.linked("/tmp/x", "/etc/kubernetes/pki/ca.key", testing.container))

test_match_key if fires(hard("/root/.ssh/id_ed25519", {}))

test_evasion_detour if fires(testing.linked("/tmp/x", "../../../etc/shadow", {}))

test_evasion_relative if fires(hard("shadow", {}))

test_near_miss_public_key if not fires(testing.linked("/tmp/x", "/root/.ssh/id_ed25519.pub", {}))

test_near_miss_other if not fires(testing.linked("/tmp/x", "/etc/hosts", {}))

test_near_miss_account_tool if not fires(hard("/etc/shadow", testing.by("/usr/sbin/usermod")))

test_near_miss_package_manager if not fires(hard("/etc/shadow", testing.by("/usr/bin/dpkg")))

test_near_miss_kubeadm if not fires(testing.linked("/x", "/etc/kubernetes/pki/ca.key", testing.by("/usr/bin/kubeadm")))
