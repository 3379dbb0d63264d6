# `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
MEMBERS := core inference pipeline trigger-service
STAMP := .venv/.ready

.PHONY: help
help:  ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2 }'

##@ Set up

.PHONY: setup
setup: $(STAMP)  ## Python environment with everything a developer needs (brings uv if it is missing)

$(STAMP): requirements/dev.txt pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS)) scripts/setup.sh
	@scripts/setup.sh
	touch $@

LOCK = uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' --no-emit-package regraft-core --no-emit-package regraft-inference \
	--no-emit-package regraft-pipeline --no-emit-package regraft-trigger

.PHONY: lock
lock:  ## Compile requirements/*.txt from the pyproject files
	@PATH="$$PWD/.tools/bin:$$PATH"
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	for member in inference:server pipeline:none trigger-service:none; do
	  extra=$${member#*:}; member=$${member%:*}
	  $(LOCK) $$member/pyproject.toml $$([ $$extra = none ] || echo --extra $$extra) -c requirements/dev.txt -o requirements/$${member%-service}.txt
	done
