# `make` alone says what there is. Everything is built in the one release profile, into CARGO_TARGET_DIR or ./target.
.DEFAULT_GOAL := help
.PHONY: help test quick bench soak fmt lint demo
export CARGO_INCREMENTAL ?= 0

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

test: ## everything that CI checks, stage by stage; installs what is missing and prints the time of each
	@bash tests/run.sh

quick: ## what a change needs at once: formatting, clippy, unit and property tests
	@bash tests/run.sh fmt clippy unit

bench: ## the figures beside mosquitto and victoria-metrics, as a table (BENCH_RUNS=1 BENCH_ONLY=acked,latency to shorten)
	@bash tests/run.sh bench

soak: ## kills and fuzzing for longer: SOAK_FACTOR times as much as in `make test` (10), and a run over a million series
	@PANTAU_E2E_KILLS=$${SOAK_FACTOR:-10} PANTAU_FUZZ_SECONDS=$$((60 * $${SOAK_FACTOR:-10})) bash tests/run.sh build faults soak fuzz

fmt: ## formats the code
	@cargo fmt --all

lint: ## formatting, clippy, dependency rules, spelling
	@bash tests/run.sh fmt clippy deny typos

demo: ## the demo: devices, gateway, ingest and the page in one process
	@cargo run --release -- demo
