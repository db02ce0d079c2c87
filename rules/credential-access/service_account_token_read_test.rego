package tocsin.tests.service_account_token_read

import data.tocsin.testing

test_match_1 if testing.fires("service_account_token_read", testing.opened("/run/secrets/kubernetes.io/serviceaccount/..2026_11_24/token", "O_RDONLY", testing.container))

test_match_2 if testing.fires("service_account_token_read", testing.opened("/var/run/secrets/eks.amazonaws.com/serviceaccount/..1/token", "O_RDONLY", testing.container))

test_evasion_mounted_elsewhere if testing.fires("service_account_token_read", testing.opened("/x/kubernetes.io/serviceaccount/token", "O_RDONLY", testing.container))

test_near_miss_host if not testing.fires("service_account_token_read", testing.opened("/run/secrets/kubernetes.io/serviceaccount/token", "O_RDONLY", {}))

test_near_miss_1 if not testing.fires("service_account_token_read", testing.opened("/run/secrets/kubernetes.io/serviceaccount/..1/ca.crt", "O_RDONLY", testing.container))
