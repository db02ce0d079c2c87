#!/usr/bin/env bash
# Runs every fuzz test of the module for the given time each (default 10s). Stops at the
# first failure; Go leaves the input in the package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
while IFS=: read -r file name; do
	echo "== $(dirname "$file") $name"
	go test "./$(dirname "$file")" -run='^$' -fuzz="^$name\$" -fuzztime="${1:-10s}"
done < <(git grep -oE "^func Fuzz\w+" -- "*_test.go" | sed "s/func //")
