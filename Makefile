# make demo | up | test | build | bench: each sets up what it needs first. `make help` tells more.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Extra features of the build; tools/setup says where they are needed.
FEATURES ?=
FLAGS := --locked $(if $(FEATURES),--features $(FEATURES))
PROGRAM := --package cityunion --bin cityunion

.PHONY: help setup demo up down logs test lint fmt build bench clean-deps

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do printf '  make %-11s %s\n' "$$target" "$$what"; done

setup: ## installs what building and testing need; does nothing the second time
	@tools/setup

demo: setup ## builds and runs everything in one process, with simulated cities; state in .demo
	cargo build $(FLAGS) $(PROGRAM)
	@exec target/debug/cityunion demo --dir .demo

up: setup ## builds, and starts everything as real processes on this machine; state in .local
	cargo build $(FLAGS) $(PROGRAM)
	@deploy/local/up

down: ## ends what up started; what is settled stays
	@deploy/local/down

logs: ## follows the log lines of everything that up started
	@deploy/local/logs

test: lint ## everything a change must pass: lint, then all tests, on the embedded log and on a real Kafka
	cargo test $(FLAGS) --workspace --exclude system-tests
	cargo test $(FLAGS) --package system-tests

lint: setup ## formatter, spelling, dependency policy, linter
	cargo fmt --all --check
	.deps/tools/bin/typos
	tools/check-dependencies
	cargo clippy $(FLAGS) --workspace --all-targets -- -D warnings

fmt: ## formats all code
	cargo fmt --all

build: setup ## the optimised program: target/release/cityunion
	cargo build $(FLAGS) --release $(PROGRAM)

bench: build ## measures speed and memory, prints a table, writes target/bench.json
	target/release/cityunion bench --peers tests/peers

clean-deps: ## removes what setup put into .deps
	rm -rf .deps
