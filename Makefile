# The front door: every command a person or CI runs. `make help` lists the targets.
#
# Variables, set as `make VARIABLE=value TARGET`:
#   ARGS        passed on to the program by `demo`, `simulate` and `live`, to the tests by `unit` and `cluster`
#   JOBS        cluster tests that run at once (default: 8; they wait more than they work)
#   PACER_BIN   the binary under test in `clients`, `monitoring`, `page` and `systemd` (default: the release build)
#   PYTHON      the Python 3 that makes the test environments (default: python3)
#   NODE        the Node.js that runs the Node SDK tests and the page's (default: node)
#   CHROMIUM    the browser of the page's tests (default: chromium, chromium-browser or google-chrome)
#   IMAGE_ENGINE, IMAGE_BUILDER   how `image` is built: image/image.sh says which values they take
# The environment's CARGO_TARGET_DIR and XDG_CACHE_HOME are honoured.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps share two things, cargo's lock and the processor: in order they are quicker to read.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

ARGS ?=
JOBS ?= 8
PYTHON ?= python3
NODE ?= node
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
PACER_BIN ?= $(abspath $(TARGET_DIR)/release/pacer)
CHROMIUM ?=
export PYTHON NODE PACER_BIN CHROMIUM

.PHONY: help
help: ## List every target
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Show the sidecar at work, with no cluster and no key (ARGS="--duration 30s")
	cargo run --release --locked -- demo $(ARGS)

.PHONY: build
build: ## Build the debug binary
	cargo build --locked --bin pacer

# What the README's commands build, and with it most of what `targets` builds: one more build of every dependency costs minutes.
.PHONY: release
release: ## Build the release binary, which `clients`, `monitoring` and `page` test
	cargo build --release --locked --bin pacer

.PHONY: dist
dist: ## Build what ships: smallest and fastest, slow to link
	cargo build --locked --profile dist --package pacer
	@ls -l $(TARGET_DIR)/dist/pacer

.PHONY: fmt
fmt: ## Format the sources
	cargo fmt --all

.PHONY: lint
lint: ## Check the format, then every lint, with no warning allowed
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test cluster -- -D warnings
	cargo clippy --locked --lib --test it --features fault-injection -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
		cargo doc --locked --no-deps --document-private-items --quiet

.PHONY: generate
generate: ## Renew what is made from the types: crd/ and docs/policy-reference.md
	PACER_GENERATE=1 cargo test --locked --test it -- generated::

.PHONY: unit
unit: ## Run the Rust tests, which need nothing but Rust (ARGS="--test it drain")
	cargo test --locked $(ARGS)

.PHONY: cluster
cluster: tools ## Run the tests against a real API server (ARGS="faults")
	@tests/tools.sh unshare
	cargo test --locked --test cluster -- --test-threads=$(JOBS) $(ARGS)

.PHONY: transcript
transcript: release tools ## Show what kubectl does to a running sidecar, and how soon; not part of `test`
	@tests/tools.sh $(PYTHON) venv openssl
	KUBEBUILDER_ASSETS="$$(tests/components.sh path)" \
		"$$(tests/clients/run.sh python python/openai-3.txt)" -B tests/cluster/transcript

# Where the tests in Python have what they share.
chart generate-chart monitoring e2e: export PYTHONPATH := $(CURDIR)/tests/support/python

.PHONY: chart
chart: tools ## Check the chart: lint, schema, refusals, every rendered field, injection, what is generated from it
	@tests/tools.sh $(PYTHON) openssl
	$(PYTHON) -B -m unittest discover --start-directory tests/chart

.PHONY: generate-chart
generate-chart: tools ## Renew what is made from the chart: its definition, its README, manifests/, and its dashboard
	cp crd/ratelimitpolicies.pacer.dev.yaml charts/pacer/files/crd.yaml
	$(PYTHON) -B tests/chart/document.py
	$(PYTHON) -B tests/chart/manifests.py
	$(PYTHON) -B tests/monitoring/dashboard.py

.PHONY: monitoring
monitoring: release tools ## Scrape sidecars with a real Prometheus through its operator, fire every alert, fill every panel (builds both once)
	@tests/tools.sh $(PYTHON) venv openssl
	@for part in operator prometheus promtool; do tests/components.sh "$$part" >/dev/null; done
	"$$(tests/clients/run.sh python ../monitoring/grafana.txt)" -B -m unittest discover --start-directory tests/monitoring

readme: export PYTHONPATH := $(CURDIR)/tests/support/python

.PHONY: readme
readme: tools ## Run every command that the README, docs/operations.md and the simulator's page show
	@tests/tools.sh $(PYTHON) curl openssl
	$(PYTHON) -B tests/readme.py README.md docs/operations.md simulator/README.md

.PHONY: clients
clients: release ## Run the OpenAI SDKs (Python 1.x, 2.x, 3.x; Node 6.x, 7.x) against the sidecar
	@tests/tools.sh $(PYTHON) venv $(NODE) npm
	tests/clients/run.sh

.PHONY: clients-lock
clients-lock: ## Renew the pinned versions of what the SDKs depend on
	@tests/tools.sh $(PYTHON) venv $(NODE) npm
	tests/clients/lock.sh

.PHONY: page
page: release ## Look at the page in a real Chromium
	@tests/tools.sh $(NODE) npm
	tests/page/run.sh

.PHONY: pictures
pictures: release ## Renew the pictures of the page in docs/images (a quarter of an hour); not part of `test`
	@tests/tools.sh $(NODE) npm
	@mkdir -p docs/images
	tests/page/run.sh pictures "$(abspath docs/images)"

.PHONY: bench
bench: ## Measure what a grant costs with 10, 1,000 and 100,000 waiting
	cargo bench --locked

.PHONY: simulate
simulate: ## Print the limiter's figures in simulated scenarios (ARGS="--help")
	cargo run --release --locked --package pacer-simulator --example simulate -- simulator/scenarios.jsonl $(ARGS)

.PHONY: targets
targets: ## Run the limiter through every simulated scenario: what it must reach, and what must never happen
	cargo test --release --locked --package pacer-simulator --test targets -- --nocapture $(ARGS)
	cargo build --release --locked --package pacer-simulator --example simulate
	$(PYTHON) simulator/plot.py $(TARGET_DIR)/release/examples/simulate $(TARGET_DIR)/rate-control.svg
	@cmp $(TARGET_DIR)/rate-control.svg docs/rate-control.svg || { echo 'docs/rate-control.svg is out of date: run `make figures`' >&2; exit 1; }

.PHONY: figures
figures: ## Renew the tables and the picture of docs/rate-control.md, after the limiter has changed
	PACER_GENERATE=1 cargo test --release --locked --package pacer-simulator --test targets
	cargo build --release --locked --package pacer-simulator --example simulate
	$(PYTHON) simulator/plot.py $(TARGET_DIR)/release/examples/simulate docs/rate-control.svg

.PHONY: live
live: ## Run the sidecar in real time beside the simulator (35 minutes; ARGS="--phase 300"); not part of `test`
	@tests/tools.sh $(PYTHON)
	cargo build --release --locked --bin pacer
	cargo build --release --locked --package pacer-simulator --example simulate
	PACER_BIN="$(abspath $(TARGET_DIR))/release/pacer" SIMULATE_BIN="$(abspath $(TARGET_DIR))/release/examples/simulate" \
		$(PYTHON) -B tests/live $(ARGS)

.PHONY: image
image: ## Build the image into target/image/pacer.tar with docker, podman or buildah (IMAGE_ENGINE, IMAGE_BUILDER)
	image/image.sh

.PHONY: image-test
image-test: image ## Build the image, look into it, and run it as a pod would, in a bare root
	@tests/tools.sh $(PYTHON) unshare setpriv openssl
	cd tests/image && PACER_IMAGE="$(abspath $(TARGET_DIR))/image/pacer.tar" \
		unshare --map-root-user --mount --net $(PYTHON) -B -m unittest --verbose

.PHONY: image-lint
image-lint: ## Check the Dockerfile (installs hadolint once)
	@tests/tools.sh $(PYTHON) venv
	"$$(dirname "$$(tests/clients/run.sh python ../image/lint.txt)")/hadolint" Dockerfile

.PHONY: e2e
e2e: tools ## Run the image on a real node of its own, or on the cluster of KUBECONFIG (ARGS="test_drain"; root)
	@tests/tools.sh cargo $(PYTHON) openssl unshare setpriv curl cc
	$(PYTHON) -B tests/e2e $(ARGS)

.PHONY: workflow-lint
workflow-lint: ## Check the workflows and that all versions agree (builds actionlint, installs zizmor, once)
	@tests/tools.sh $(PYTHON) venv
	.github/release/check.sh
	"$$(tests/components.sh actionlint)" -no-color
	"$$(dirname "$$(tests/clients/run.sh python ../../.github/release/lint.txt)")/zizmor" --offline --quiet --persona auditor --no-progress .github/workflows

.PHONY: systemd
systemd: release ## Check the units of manifests/systemd, and how much of the system they leave open
	@tests/tools.sh $(PYTHON) systemd-analyze
	$(PYTHON) -B -m unittest discover --start-directory tests/systemd

.PHONY: alerts
alerts: ## Check the alerts, and prove when each fires and when it stays silent (builds promtool once)
	promtool="$$(tests/components.sh promtool)"; \
		"$$promtool" check rules --lint=all --lint-fatal charts/pacer/files/alerts.yaml; \
		"$$promtool" test rules tests/alerts/*.yaml

.PHONY: deny
deny: ## Check licences, bans and advisories (needs cargo-deny and its database; not part of `test`)
	cargo deny --locked check

.PHONY: test
test: prerequisites tools lint image-lint workflow-lint systemd unit alerts targets chart monitoring cluster readme clients page ## Run every test: lints, Rust, the alerts, the limiter's figures, the chart, its monitoring, a real API server, the README's commands, the SDKs, the page
	@printf '\nmake test: lints, the workflows, the unit, Rust tests, alerts, limiter figures, the chart, its monitoring, cluster tests, README commands, client SDKs and the page all passed\n'

# First, so that a missing tool is told before ten minutes of building.
.PHONY: prerequisites
prerequisites:
	@tests/tools.sh cargo unshare $(PYTHON) venv $(NODE) npm curl openssl systemd-analyze
	@tests/page/browser.sh >/dev/null

.PHONY: tools
tools: ## Build etcd, kube-apiserver, kubectl, helm and kubeconform once, into a cache (or set KUBEBUILDER_ASSETS)
	@tests/components.sh build

.PHONY: assets
assets: ## Print the folder that holds them
	@tests/components.sh path
