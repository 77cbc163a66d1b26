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

.PHONY: bench
bench: ## Measure evaluation, requests over HTTP, changes on their way; docs/benchmarks.md has numbers
	$(CARGO) bench --locked -p tidegate-bench
	$(CARGO) build --release --locked -p tidegate -p tidegate-bench
	$(TARGET)/release/wire
	$(TARGET)/release/propagation
	$(TARGET)/release/propagation --nodes 20 --streams 5000 --changes 20

.PHONY: bench-engines
bench-engines: ## Measure evaluation beside the engines of others, which are built for it: minutes
	cd bench/engines && $(CARGO) build --release --locked --bins && $(CARGO) run --release --locked
