#!/usr/bin/env bash
# Checks style: Go with golangci-lint (.golangci.yml), and the chart with helm if it was built. Rego is
# checked by the test of test/style. Prints every finding; exits 1 if there is one.
set -uo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
failed=0

echo '== golangci-lint'
bin/golangci-lint run ./... || failed=1

if [[ -x bin/helm ]]; then
	echo '== helm lint'
	bin/helm lint --quiet deployments/helm/tocsin || failed=1
fi
exit $failed
