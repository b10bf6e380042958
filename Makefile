# What a person types. Each target is one command; CI runs .ci/run: `make lint`, `make deny` and `make test`.

.PHONY: run build dist fmt lint deny test interop fuzz bench bench-permissions pictures help

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "%-18s %s\n", $$1, $$2}'

run:             ## build and start the server on its embedded defaults
	cargo run --release --locked --bin waddle-server

build:           ## build the server: target/release/waddle-server
	cargo build --release --locked --bin waddle-server

dist:            ## build what packages ship: target/dist/waddle-server
	cargo build --profile dist --locked --bin waddle-server

fmt:             ## format the code
	cargo fmt --all

lint:            ## formatting, clippy and the documentation's links, warnings are errors
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

deny:            ## licences, sources and banned crates
	tests/deny.sh

test:            ## install what the tests need and run all of them
	python3 tests/run.py

interop:         ## other people's suites; WADDLE_SUITES names a folder with the checkouts of those that no registry has
	python3 tests/run.py --only interop

fuzz:            ## fuzz every target for ten minutes; the outcome goes to tests/fuzz/results.txt
	FUZZ_RESULTS=tests/fuzz/results.txt tests/fuzz/run.sh 600

bench:           ## the same load on Waddle, Prosody, ejabberd, mosquitto and rumqttd; writes specs/benchmarks.md
	tests/peers/bench.sh

bench-permissions: ## checks of permissions on Waddle, OpenFGA and SpiceDB; writes their section of specs/benchmarks.md
	tests/peers/zanzibar/bench.sh

pictures:        ## make the README's pictures again: specs/pictures
	cargo build --locked --bin waddle-server
	$$(tests/setup.sh --python | tail -1) tests/browser/pictures.py
