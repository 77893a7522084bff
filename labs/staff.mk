# Targets of the reference tree: making the course, and testing it.

.PHONY: help-staff lab verify bugs bugs-shard checkpoints selftest soak soak-store bench-raft bench-kv proof kill9 compat

help-staff:
	@echo ''
	@echo 'The course itself:'
	@echo '  make lab FROM=2aa OUT=dir a student tree: parts before FROM are solved, the rest is open'
	@echo '  make verify               format, lints, docs, tests, stamping; writes nothing'
	@echo '  make selftest             each hole is needed; legal variants pass; each checkpoint does what it should'
	@echo '  make bugs                 every planted bug: which part, test and rule catches it'
	@echo '  make soak                 300,000 simulated runs of the Raft core; resumable'
	@echo '  make soak-store           50,000 simulated runs of whole clusters; resumable'
	@echo '  make bench-raft           our core against raft-rs'
	@echo '  make bench-kv             our store against etcd; FLAGS=--help for its options'
	@echo '  make kill9                stores killed -9 a hundred times under load with checking clients; KILLS=n'
	@echo '  make compat               our cluster driven by the published TiKV clients'
	@echo '  make proof                threads and locks of the store under a model checker'

lab:
	@$(if $(and $(FROM),$(OUT)),,echo 'make lab needs FROM=part and OUT=dir' && false;) $(LAB) stamp --from $(FROM) '$(OUT)'

verify:
	cargo fmt --all --check
	cargo clippy -q --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc -q --workspace --no-deps
	cargo test -q --workspace
	$(PROOF)
	$(LAB) check
	cargo run -q -p book

# A different shard every day, so that all planted bugs are tried within two weeks.
bugs-shard:
	@$(LAB) selftest bugs --shard today/14

# Every hole stubbed alone, and, a third of them a day, the checkpoints as students meet them.
checkpoints:
	@$(LAB) selftest holes
	@$(LAB) selftest parts --shard today/3 --seeds 4

selftest:
	@$(LAB) selftest holes
	@$(LAB) selftest parts
	@$(LAB) selftest variants

bugs:
	@$(LAB) bugs

soak:
	@$(LAB) soak raft

soak-store:
	@$(LAB) soak cluster --runs 50000

# raft-proto's build script asks for protoc: it gets a stand-in, which is built first.
BENCH := tests/bench-raft
BENCH_BUILD := -q --release --manifest-path $(BENCH)/Cargo.toml --target-dir $(BENCH)/target

bench-raft:
	cargo build $(BENCH_BUILD) -p protoc
	PROTOC='$(CURDIR)/$(BENCH)/target/release/protoc' cargo run $(BENCH_BUILD) -p bench-raft

# Servers are built as they are shipped. DATA=dir chooses the disk.
bench-kv:
	cargo build -q --release -p tinykv-server -p tinyscheduler-server
	cargo run -q --release --manifest-path tests/bench-kv/Cargo.toml --target-dir tests/bench-kv/target -- $(if $(DATA),--data '$(DATA)') $(FLAGS)

# The batch system and its threads, step by step in every order that shuttle thinks of.
PROOF := cargo test -q -p tinykv-kv --lib --features shuttle proof

proof:
	$(PROOF)

kill9:
	KILLS=$(or $(KILLS),100) RESTART_MS=3000 cargo test -q -p tinykv-server --test kill9 -- --nocapture

# The published clients against a cluster of our own. The wheel is optional: not every machine can fetch it.
COMPAT := tests/compat/target
WITH_CLUSTER := cargo run -q -p tinykv-server --bin tinykv-demo --

compat:
	cargo build -q -p tinykv-server -p tinyscheduler-server --bins
	cargo build -q --manifest-path tests/compat/Cargo.toml --target-dir $(COMPAT)
	$(WITH_CLUSTER) $(COMPAT)/debug/compat
	@if python3 -m venv $(COMPAT)/venv && $(COMPAT)/venv/bin/pip -q install tikv-client; then \
		$(WITH_CLUSTER) $(COMPAT)/venv/bin/python tests/compat/raw.py; \
	else \
		echo 'The Python wheel tikv-client cannot be installed here: that half is left out.'; \
	fi

# Everything is built once here, so that the compiler's notes for the next build would only fill the disk.
test: export CARGO_INCREMENTAL := 0
test: verify checkpoints bugs-shard
