# `make help` lists the targets. Everything works from any directory with Go alone, except
# where a target says what else it needs.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
PKG     := github.com/tocsin-io/tocsin
LDFLAGS := -s -w -X $(PKG)/cmd/internal/version.Version=$(VERSION) -X $(PKG)/cmd/internal/version.Commit=$(COMMIT)

export CGO_ENABLED := 0

##@ Build

.PHONY: build
build: ## build tocsin, tocsin-sensor and tocsin-router into bin/
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: generate
generate: ## regenerate the BPF objects, the C header, schemas and docs (needs clang, llvm-strip, libbpf-dev)
	$(GO) generate ./...

.PHONY: clean
clean: ## remove what was built, but not the downloaded kernels
	rm -rf bin dist

##@ Test

.PHONY: test
test: ## run every test that can run here; ends with the counts and why any was skipped
	$(GO) run ./test

.PHONY: test-root
test-root: ## run the tests that load BPF and start containers on this kernel (needs root, runc)
	@[ "$$(id -u)" = 0 ] || { echo 'test-root: needs root: sudo env PATH="$$PATH" make test-root' >&2; exit 1; }
	$(GO) run ./test ./bpf/... ./cmd/internal/sensor ./simulate/... ./test/e2e/...

.PHONY: test-kernels
test-kernels: ## run the BPF and end-to-end tests on Linux 5.10 to 7, and on arm64 (needs qemu-system-x86_64, busybox-static; qemu-system-aarch64)
	TOCSIN_TEST_KERNELS=all $(GO) run ./test -timeout=180m ./test/kernel/...

.PHONY: test-faults
test-faults: ## break things under the router, 200 kills among them; writes docs/reliability.md (15 minutes)
	TOCSIN_FAULTS=long TOCSIN_REPORT=docs/reliability.md $(GO) test -v -count=1 -timeout=60m -run='^TestFaults$$' ./test/faults

.PHONY: noise-trace
noise-trace: ## record ordinary work for the tests: test/noise/testdata (needs root, Debian, the net)
	TOCSIN_NOISE=1 $(GO) test -v -count=1 -timeout=30m ./test/noise -run TestNoise -record

.PHONY: noise
noise: ## an hour of ordinary work under the built-in rules; writes docs/noise.md (needs root, Debian, the net)
	TOCSIN_NOISE=1 $(GO) test -v -count=1 -timeout=100m ./test/noise -for=1h -update

.PHONY: test-race
test-race: ## run the tests of everything concurrent with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) run ./test -race ./bus/... ./router/... ./store/... ./outputs/... ./api/... ./detect/...

.PHONY: fuzz
fuzz: ## fuzz every parser of outside input, FUZZTIME each (default 10s)
	test/fuzz.sh $(or $(FUZZTIME),10s)

.PHONY: kernels
kernels: bin/vmtest ## download the kernels of test-kernels into .cache (needs Debian's apt)
	for k in $(shell sed -n 's/^\t{"\([0-9.]*\)", ".*/\1/p' test/kernel/kernel.go); do bin/vmtest -fetch -kernel $$k; done

.PHONY: bin/vmtest
bin/vmtest:
	$(GO) build -o $@ ./test/kernel/vmtest

##@ Check

.PHONY: lint
lint: bin/golangci-lint ## golangci-lint, and helm lint if bin/helm was built
	test/lint.sh

# Built once: it takes some minutes. The version is pinned in tools/go.mod.
bin/golangci-lint: tools/go.mod
	@echo 'building golangci-lint, once; this takes a few minutes'
	cd tools && $(GO) build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	touch $@

.PHONY: generated
generated: generate ## fail if a generated file differs from what is committed
	git diff --exit-code --stat
	@[ -z "$$(git ls-files --others --exclude-standard)" ] || { git ls-files --others --exclude-standard; echo 'generate made files that are not committed' >&2; exit 1; }

.PHONY: bin/helm
bin/helm: ## build helm, to lint the chart (takes some minutes once)
	cd tools && $(GO) build -o ../bin/helm helm.sh/helm/v3/cmd/helm

.PHONY: ci
ci: ## what CI runs (as root on Debian: it installs packages)
	.ci/run

##@ Measure

BENCHTIME ?= 1s

.PHONY: bench
bench: ## run all Go benchmarks
	$(GO) test -run='^$$' -bench=. -benchmem -benchtime=$(BENCHTIME) ./...

.PHONY: bench-sensor
bench-sensor: bin/vmtest ## instructions that the sensor adds to system calls, on Linux 6.1 under QEMU (ns/op = instructions)
	$(GO) test -exec "$(CURDIR)/bin/vmtest -kernel 6.1 -icount -timeout 20m" -run='^$$' -bench=Watched -benchtime=1x ./bpf/

.PHONY: bench-sensor-user
bench-sensor-user: ## from the ring to the rules: bursts, 100,000 events a second for a minute, memory (needs root)
	TOCSIN_PACED=60s $(GO) test -run='^$$' -bench='Burst|Paced' -benchtime=1000000x -timeout=20m ./bpf
	$(GO) test -run='^$$' -bench=SensorMemory -benchtime=1x -timeout=20m ./test/e2e

.PHONY: bench-build
bench-build: ## CPU time that the sensor, with all built-in rules, adds to a build with two jobs; its own, and its memory (needs root)
	$(GO) test -run='^$$' -bench=Build -benchtime=5x -timeout=30m ./test/e2e

.PHONY: bench-detect
bench-detect: ## CPU per event of the detector, beside hand-written Go and plain OPA
	$(GO) test -run='^$$' -bench=. -benchmem -benchtime=$(BENCHTIME) ./detect/...

CHECKS ?= 3100000

.PHONY: differential
differential: ## hold the compiled rules equal to OPA's evaluator, CHECKS times (default 3100000: half an hour of CPU); CI does 8000
	$(GO) test -v -count=1 -timeout=6h -run='^(TestDifferential.*|TestFuzzedRules|TestDerivedFilters|TestMutants)$$' ./detect -checks=$(CHECKS) -rules=2500 -mutants

.PHONY: bench-router
bench-router: ## the router from publish to the receiver: 500 a second, and as many as it takes
	$(GO) test -run='^$$' -bench=Router -benchtime=1x -timeout=10m ./test/faults

.PHONY: bench-latency
bench-latency: ## time from a system call in a container to the webhook; writes docs/latency.md (needs root, runc)
	TOCSIN_REPORT=docs/latency.md $(GO) test -run='^$$' -bench=Latency -benchtime=1x -timeout=10m ./test/e2e

##@

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z_\/-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
