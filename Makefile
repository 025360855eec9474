# The commands of this repository. `make` alone lists them.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help web demo test lint deny check bench openapi reference book

needs = command -v cargo >/dev/null && command -v cc >/dev/null || { echo "install Rust 1.95 or newer (rustup.rs) and a C compiler"; exit 1; }

help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

web: ## builds the web app, which the next build of the program embeds; without Node, says so and goes on
	@scripts/web.sh build

demo: ## the life of a model on embedded defaults; ARGS=--exit ends when the story is told
	@$(needs)
	@scripts/web.sh build
	cargo build --locked
	target/debug/slipway demo $(ARGS)

test: ## everything needed to trust a change
	@$(needs)
	@scripts/python.sh && scripts/python.sh .venv-mlflow tests/compat/requirements.txt
	@scripts/web.sh test
	@trap 'scripts/postgres.sh stop' EXIT; eval "$$(scripts/postgres.sh start)"; cargo test --locked

lint: ## formatting, clippy, docs
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	@scripts/web.sh lint

check: lint test ## what CI runs

deny: ## licences, sources and duplicates of the dependencies (needs cargo-deny)
	cargo deny --offline check bans licenses sources

bench: ## figures of trainer and server, side by side with their peers; GIB=5 sizes the upload
	@$(needs)
	@scripts/python.sh
	cargo build --locked --release
	@scripts/python.sh .venv-bench benches/requirements.txt
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE .venv-bench/bin/python benches/trainer_peers.py
	.venv/bin/python benches/server.py target/release/slipway $(or $(GIB),1)

openapi: ## regenerates openapi/slipway.json and docs/api-reference.md
	cargo run --locked --quiet -- openapi > openapi/slipway.json.new
	mv openapi/slipway.json.new openapi/slipway.json
	cargo run --locked --quiet -- openapi --markdown > docs/api-reference.md.new
	mv docs/api-reference.md.new docs/api-reference.md

reference: openapi ## the same, and docs/cli.md and docs/configuration.md
	cargo run --locked --quiet -- reference > docs/cli.md.new
	mv docs/cli.md.new docs/cli.md
	cargo run --locked --quiet -- config reference > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

book: ## the documentation as a site in target/book (needs mdbook)
	@scripts/book.sh
