# Run `make` to see what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build, then show the whole thing at work: control plane, node, shop, Prometheus, two rollouts
	$(CARGO) build --release --locked -p tidegate -p tidegate-shop
	./target/release/tidegate demo $(ARGS)

.PHONY: test
test: ## Install what the tests need if it is absent, then run every test
	./tests/install
	$(CARGO) test --locked --workspace

.PHONY: check
check: ## Format, lints, tidy: what must hold before anything is committed
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --test tidy

CUTS ?= 500
CALLS ?= 1000
FLIPS ?= 10000
IMAGES ?= 100

.PHONY: prove
prove: ## Cut the power, fail every call, turn bits, cut off a mounted image (as root; TIDEGATE_IMAGES by IMAGES=): docs/proof/store.md; then the statistics: docs/proof/statistics.md; minutes; CUTS=, CALLS=, FLIPS=, TIDEGATE_SEED=
	TIDEGATE_CUTS=$(CUTS) TIDEGATE_CALLS=$(CALLS) TIDEGATE_FLIPS=$(FLIPS) TIDEGATE_IMAGES=$(IMAGES) $(CARGO) test --locked -p tidegate-store --test proof -- --nocapture
	TIDEGATE_FLIPS=$(FLIPS) TIDEGATE_KILLS=100 $(CARGO) test --locked -p tidegate-observations --test log -- --nocapture
	$(MAKE) prove-statistics

# One reference is wrong itself, bandits/d013: core/proof/tests/wrong_references.rs proves it.
REFERENCES = 2210 passed, 1 failed, 0 unsupported

.PHONY: prove-statistics
prove-statistics: ## Compare the statistics with other packages, and rerun their simulations: docs/proof/statistics.md, minutes
	$(CARGO) build --release --locked -p tidegate
	$(TARGET)/release/tidegate stats check core/stats/tests/reference/*.json 2>/dev/null | tee /dev/stderr | tail -n 1 | grep -Fx '$(REFERENCES)'
	$(TARGET)/release/tidegate stats simulate --scale full --seed 20261124

KILLS ?= 1000

.PHONY: prove-kills
prove-kills: ## Kill the server with -9 under 64 writers, again and again: half an hour; KILLS=, TIDEGATE_SEED=
	TIDEGATE_KILLS=$(KILLS) $(CARGO) test --locked --workspace --test e2e f27_kill_9 -- --nocapture

.PHONY: bench
bench: ## Measure evaluation, requests over HTTP, changes on their way; docs/benchmarks.md has numbers
	$(CARGO) bench --locked -p tidegate-bench
	$(CARGO) build --release --locked -p tidegate -p tidegate-bench
	$(TARGET)/release/wire
	$(TARGET)/release/propagation
	$(TARGET)/release/propagation --nodes 20 --streams 5000 --changes 20
	$(TARGET)/release/time_to_safe

.PHONY: bench-store
bench-store: ## Measure commits beside a bare fdatasync, replay and start, and the log of observations; docs/store.md and docs/benchmarks.md have numbers
	$(CARGO) build --release --locked -p tidegate-store -p tidegate-observations --examples
	$(TARGET)/release/examples/commit_rate
	$(TARGET)/release/examples/start_rate
	$(TARGET)/release/examples/log_rate

.PHONY: bench-rollouts
bench-rollouts: ## Measure a control plane with 10,000 live rollouts, beside a real Prometheus: minutes
	$(CARGO) build --release --locked -p tidegate -p tidegate-bench
	$(TARGET)/release/rollouts

.PHONY: bench-experiments
bench-experiments: ## Measure how fast observations of experiments fold, 10,000,000 participants: minutes
	$(CARGO) build --release --locked -p tidegate-analytics --examples
	$(TARGET)/release/examples/fold_rate --participants 10000000
	$(TARGET)/release/examples/fold_rate --participants 10000000 --walks

.PHONY: bench-engines
bench-engines: ## Measure evaluation beside the engines of others, which are built for it: minutes
	cd bench/engines && $(CARGO) build --release --locked --bins && $(CARGO) run --release --locked

FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: ## Throw mutated bytes at the readers, a minute each; FUZZ_SECONDS=600 for longer
	command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	cd fuzz && for target in snapshot ofrep_body flagd_import; do \
	  mkdir -p corpus/$$target && $(CARGO) fuzz run --fuzz-dir . --sanitizer none $$target corpus/$$target seeds/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -dict=words.dict -max_len=16384 -timeout=10 -rss_limit_mb=2048 || exit 1; \
	done
