package tocsin.tests.cloud_credentials_read

import data.tocsin.rules.cloud_credentials_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/root/.aws/credentials", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_2 if fires(testing.opened("/home/bob/.config/gcloud/application_default_credentials.json", "O_RDONLY", testing.container))

test_evasion_opened_for_both if fires(testing.opened("/home/bob/.git-credentials", "O_RDWR", {}))

test_near_miss_aws if not fires(testing.opened("/root/.aws/credentials", "O_RDONLY", testing.by("/usr/local/aws-cli/v2/current/dist/aws")))

test_near_miss_1 if not fires(testing.opened("/root/.aws/config", "O_RDONLY", {}))

test_evasion_moved_away if fires(testing.renamed("/root/.aws/credentials", "/tmp/x", {}))

test_near_miss_moved_other if not fires(testing.renamed("/root/.aws/cli/cache", "/tmp/x", {}))
