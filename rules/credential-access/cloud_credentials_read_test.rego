package tocsin.tests.cloud_credentials_read

import data.tocsin.testing

test_match_1 if testing.fires("cloud_credentials_read", testing.opened("/root/.aws/credentials", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_2 if testing.fires("cloud_credentials_read", testing.opened("/home/bob/.config/gcloud/application_default_credentials.json", "O_RDONLY", testing.container))

test_evasion_opened_for_both if testing.fires("cloud_credentials_read", testing.opened("/home/bob/.git-credentials", "O_RDWR", {}))

test_near_miss_aws if not testing.fires("cloud_credentials_read", testing.opened("/root/.aws/credentials", "O_RDONLY", testing.by("/usr/local/aws-cli/v2/current/dist/aws")))

test_near_miss_1 if not testing.fires("cloud_credentials_read", testing.opened("/root/.aws/config", "O_RDONLY", {}))
