# TinyKV in Rust. `make` lists what can be done.

LAB := cargo run -q -p labs --bin lab --

# How to grade: make project2aa SEEDS=100, or TEST=name SEED=7 TRACE=1, or PLAN=failures/….json, or JSON=result.json
HOW := $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(BASE),--base $(BASE)) \
       $(if $(TEST),--test '$(TEST)') $(if $(PLAN),--plan '$(PLAN)') $(if $(TRACE),--trace) $(if $(AUDIT),--audit) \
       $(if $(JSON),--json '$(JSON)')

PARTS := project1 project2aa project2ab project2ac project2a project2b project2c-raft project2c-store project2c \
         project2 project3a

.PHONY: help course $(PARTS) fixcheck demo docs fix test

help:
	@echo 'The course:'
	@echo '  make project1             storage on one engine, and the raw handlers'
	@echo '  make project2aa           leader election'
	@echo '  make project2ab           log replication'
	@echo '  make project2ac           RawNode'
	@echo '  make project2a            the three above'
	@echo '  make project2b            the replicated store'
	@echo '  make project2c-raft       snapshots in Raft'
	@echo '  make project2c-store      snapshots and log compaction in the store'
	@echo '  make project2c            the two above'
	@echo '  make project2             all of 2a, 2b, 2c'
	@echo '  make project3a            leader transfer and membership change'
	@echo '  make course               all parts'
	@echo ''
	@echo 'How to run a part: TEST=name  SEEDS=n  SEED=s  PLAN=file  TRACE=1  JSON=file'
	@echo '  make fixcheck PLAN=file   a saved failure under 300 other noise seeds: is the bug really gone?'
	@echo ''
	@echo 'The system:'
	@echo '  make demo                 a cluster on this machine that loses its leader, to play with until Ctrl-C; ONCE=1 ends it'
	@echo ''
	@echo 'The tree:'
	@echo '  make test                 everything that must pass'
	@echo '  make fix                  format the code, and apply what the compiler suggests'
	@echo '  make docs                 the book, in target/book'
	@$(if $(wildcard labs/staff.mk),$(MAKE) -s help-staff)

course $(PARTS):
	@$(LAB) grade $@ $(HOW)

fixcheck:
	@$(if $(PLAN),,echo 'make fixcheck needs PLAN=failures/….json' && false;) $(LAB) fixcheck '$(PLAN)'

demo:
	@cargo build -q -p tinykv-server -p tinyscheduler-server --bins
	@ONCE='$(ONCE)' cargo run -q -p tinykv-server --bin tinykv-demo

docs:
	cargo run -q -p book

fix:
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

test:
	@$(LAB) grade course $(HOW)

# What only the makers of the course need; student trees do not have it.
-include labs/staff.mk
