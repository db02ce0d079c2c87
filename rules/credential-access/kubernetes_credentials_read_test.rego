package tocsin.tests.kubernetes_credentials_read

import data.tocsin.testing

test_match_1 if testing.fires("kubernetes_credentials_read", testing.opened("/etc/kubernetes/pki/ca.key", "O_RDONLY", {}))

test_match_2 if testing.fires("kubernetes_credentials_read", testing.opened("/root/.kube/config", "O_RDONLY", testing.by("/usr/bin/cat")))

test_evasion_renamed_away if testing.fires("kubernetes_credentials_read", testing.renamed("/etc/kubernetes/admin.conf", "/tmp/y", {}))

test_near_miss_certificate if not testing.fires("kubernetes_credentials_read", testing.opened("/etc/kubernetes/pki/ca.crt", "O_RDONLY", {}))

test_near_miss_kubectl if not testing.fires("kubernetes_credentials_read", testing.opened("/root/.kube/config", "O_RDONLY", testing.by("/usr/bin/kubectl")))

test_near_miss_1 if not testing.fires("kubernetes_credentials_read", testing.opened("/etc/kubernetes/manifests/x.yaml", "O_RDONLY", {}))
