package tocsin.tests.kubernetes_credentials_read

import data.tocsin.rules.kubernetes_credentials_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/etc/kubernetes/pki/ca.key", "O_RDONLY", {}))

test_match_2 if fires(testing.opened("/root/.kube/config", "O_RDONLY", testing.by("/usr/bin/cat")))

test_evasion_renamed_away if fires(testing.renamed("/etc/kubernetes/admin.conf", "/tmp/y", {}))

test_evasion_host_mounted_in_container if fires(testing.opened("/mnt/host/etc/kubernetes/pki/ca.key", "O_RDONLY", testing.container))

test_near_miss_certificate if not fires(testing.opened("/etc/kubernetes/pki/ca.crt", "O_RDONLY", {}))

test_near_miss_kubectl if not fires(testing.opened("/root/.kube/config", "O_RDONLY", testing.by("/usr/bin/kubectl")))

test_near_miss_1 if not fires(testing.opened("/etc/kubernetes/manifests/x.yaml", "O_RDONLY", {}))
