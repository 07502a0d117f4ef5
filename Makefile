# The commands of the project. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := bash
CARGO ?= cargo
TESTBED := target/debug/testbed
CACHE := $(or $(AGORA_SNAPSHOT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/agora-snapshot-operator)
DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)
FUZZ_VERSION := 0.13.2
FUZZ := $(CACHE)/cargo-fuzz-$(FUZZ_VERSION)
FUZZ_SECONDS ?= 60
# Tests on real servers wait more than they work.
TESTS_AT_ONCE ?= $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN))))
GALLERY := $(CARGO) test --manifest-path tests/gallery/Cargo.toml --target-dir target --locked

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: programs ## The main job on real parts: API server, S3 server, simulator, operator; ends by itself
	@$(TESTBED) demo

.PHONY: demo-up
demo-up: programs ## The same, left running; its addresses are printed and written to target/demo/env
	@$(TESTBED) demo-up

.PHONY: demo-down
demo-down: ## Ends what demo-up left running
	@if [ -x $(TESTBED) ]; then $(TESTBED) demo-down; else echo "No demo runs."; fi

.PHONY: test
test: servers renderers ## All tests, on one real control plane and S3 server
	@echo "test: building programs and tests (the first time a few minutes)"
	@$(CARGO) test --workspace --locked --no-run
	@RUST_TEST_THREADS=$(TESTS_AT_ONCE) $(TESTBED) exec -- $(CARGO) test --workspace --locked --no-fail-fast

.PHONY: torture
torture: servers ## The evidence of docs/reliability.md at its deepest: hours
	@$(CARGO) test --workspace --locked --no-run
	@TORTURE=1 $(TESTBED) exec -- $(CARGO) test --locked --no-fail-fast --test lab --test model --test fuzzing --test fences
	@KILLING_ROUNDS=2000 $(TESTBED) exec -- $(CARGO) test --locked --no-fail-fast --test system -- killing frozen

.PHONY: fuzz
fuzz: $(FUZZ)/bin/cargo-fuzz ## Each fuzz target under libFuzzer for FUZZ_SECONDS (60); wants a C++ compiler
	@for target in answers names notices secrets stored wire; do \
	  echo "fuzz: $$target for $(FUZZ_SECONDS) s"; found=$$(mktemp -d) && \
	  RUSTC_BOOTSTRAP=1 PATH="$(FUZZ)/bin:$$PATH" $(CARGO) fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz -s none $$target \
	    $$found tests/fuzzing/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -verbosity=1 || exit 1; \
	  rm -r $$found; done

$(FUZZ)/bin/cargo-fuzz:
	@echo "fuzz: building cargo-fuzz $(FUZZ_VERSION), about a minute on 2 cores, once"
	@$(CARGO) install --quiet --locked cargo-fuzz --version $(FUZZ_VERSION) --root $(FUZZ)

.PHONY: e2e
e2e: ## Image and chart on a real cluster of one node (Linux, root; minutes)
	@tests/e2e/run

.PHONY: gitops
gitops: servers ## Argo CD's and Flux's real programs on the files of examples/gitops
	@echo "gitops: making sure of Argo CD, Flux and Helm (the first time about 13 min on 2 cores)"
	@paths=$$(tests/programs/build argocd flux helm) && export $$paths && \
	  $(CARGO) build --workspace --bins --locked && $(CARGO) test --test gitops --locked --no-run && \
	  $(TESTBED) exec -- $(CARGO) test --test gitops --locked --no-fail-fast

.PHONY: gallery
gallery: servers ## The page of `kubectl snapshotjob open` in a real Chromium; pictures of it in target/gallery
	@programs=$$(tests/gallery/install) && export $$programs && \
	  $(CARGO) build --workspace --bins --locked && $(GALLERY) --no-run && $(TESTBED) exec -- $(GALLERY) --no-fail-fast

.PHONY: vectors
vectors: ## Tokens of the vendor's own builder, made anew and compared (node and npm); UPDATE=1 writes them
	@tests/vectors/make

.PHONY: lint
lint: ## Formatting, clippy, documentation and workflows, with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/gallery/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --test gitops --test e2e --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	@paths=$$(tests/programs/build actionlint) && export $$paths && $$ACTIONLINT -shellcheck= -pyflakes= && echo "lint: the workflows are right"

.PHONY: deny
deny: $(DENY)/bin/cargo-deny ## Licences, sources and bans of the dependencies (cargo-deny; installed on first use)
	@$< --workspace --log-level warn check bans licenses sources

.PHONY: advisories
advisories: $(DENY)/bin/cargo-deny ## Known vulnerabilities of the dependencies; fetches the RustSec database
	@$< --workspace --log-level warn check advisories

$(DENY)/bin/cargo-deny:
	@echo "deny: building cargo-deny $(DENY_VERSION), about 5 min on 2 cores, once"
	@$(CARGO) install --quiet --locked cargo-deny --version $(DENY_VERSION) --root $(DENY)

.PHONY: image
image: ## The images of operator and simulator, in target/images, tested (Linux, root)
	@tests/e2e/images/build
	@tests/e2e/images/check

.PHONY: generate
generate: ## Writes crds/ anew from the types in src/api, and what is made from the chart
	UPDATE_CRD=1 $(CARGO) test --locked --test schema generated
	UPDATE_CHART=1 $(CARGO) test --locked --test chart the_chart_carries_the_definition
	UPDATE_CHART=1 $(CARGO) test --locked --test chart -- golden:: install:: readme::

# The programs that the demo runs, and the servers under them.
.PHONY: programs
programs: servers
	@echo "demo: building the operator, the simulator and the testbed (the first time a few minutes)"
	@$(CARGO) build --workspace --bins --locked

.PHONY: servers
servers:
	@tests/programs/build > /dev/null

# What the chart is rendered and validated with, and what its alerts are tested with.
.PHONY: renderers
renderers:
	@tests/programs/build helm kubeconform promtool > /dev/null
