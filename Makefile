# The commands of this repository. `make` alone lists them.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help test lint check openapi

help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

test: ## everything needed to trust a change
	@command -v cargo >/dev/null || { echo "install Rust 1.95 or newer (rustup.rs) and a C compiler"; exit 1; }
	@trap 'scripts/postgres.sh stop' EXIT; eval "$$(scripts/postgres.sh start)"; cargo test --locked

lint: ## formatting, clippy, docs
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

check: lint test ## what CI runs

openapi: ## regenerates openapi/slipway.json
	cargo run --locked --quiet -- openapi > openapi/slipway.json.new
	mv openapi/slipway.json.new openapi/slipway.json
