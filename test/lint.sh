#!/usr/bin/env bash
# Checks style: Go with golangci-lint (.golangci.yml), Rego with OPA's own formatter and
# strict compiler, BPF C with clang-format. Prints every finding; exits 1 if there is one.
set -uo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
failed=0

echo '== golangci-lint'
bin/golangci-lint run ./... || failed=1

mapfile -t rego < <(git ls-files 'rules/*.rego')
if ((${#rego[@]})); then
	echo '== opa fmt, opa check --strict'
	opa=(go tool -modfile=tools/go.mod opa)
	unformatted=$("${opa[@]}" fmt --list "${rego[@]}") || failed=1
	if [[ -n $unformatted ]]; then
		printf 'not formatted; run: go tool -modfile=tools/go.mod opa fmt -w FILE\n%s\n' "$unformatted"
		failed=1
	fi
fi

mapfile -t c < <(git ls-files 'bpf/*.c' 'bpf/*.h' | grep -v -e '\.gen\.h$' -e vmlinux)
if ((${#c[@]})); then
	clang_format=$(command -v clang-format || command -v clang-format-14) || clang_format=
	if [[ -n $clang_format ]]; then
		echo "== $clang_format"
		"$clang_format" --dry-run --Werror "${c[@]}" || failed=1
	elif [[ ${CI:-} == true ]]; then
		echo 'clang-format not found: install it'
		failed=1
	else
		echo 'clang-format not found: BPF C was not checked'
	fi
fi
exit $failed
