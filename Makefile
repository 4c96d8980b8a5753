# Two commands for everybody: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
APT := mosquitto chromium fonts-noto-cjk openssl \
  ffmpeg gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs lock fmt clean system-packages

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/run.ok ## the whole community in one terminal, no hardware (ARGS="--for 60s")
	@$(BIN)/hub demo $(ARGS)

test: $(VENV)/dev.ok system-packages ## install what the tests need and run everything
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest tests/integration -n 2 --dist loadfile
	$(BIN)/pytest tests/e2e/test_pages*.py -n 2 --dist loadfile $(ARGS)
	$(BIN)/pytest tests/e2e/patrol -n 2 --dist loadfile $(ARGS)
	$(BIN)/pytest tests/e2e --ignore=tests/e2e/patrol --ignore-glob='*/test_pages*' $(ARGS)

check: $(VENV)/dev.ok ## format, lint, types, contracts, configuration, documents, unit and contract tests; offline
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/hub check
	$(BIN)/hub docs --check
	$(BIN)/pytest tests/unit tests/contract -n 2

bench: $(VENV)/dev.ok system-packages ## measure; writes bench/RESULTS.md
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/dev.ok ## regenerate docs/reference and config/schemas
	$(BIN)/hub docs

lock: $(VENV)/dev.ok ## renew requirements/*.txt: versions and hashes, no addresses
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -U pyproject.toml --group build -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -U pyproject.toml --group dev -o requirements/dev.txt

fmt: $(VENV)/dev.ok ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment (the data in var/ stays)
	rm -rf $(VENV)

system-packages:
	@missing=(); for p in $(APT); do dpkg -s $$p >/dev/null 2>&1 || missing+=($$p); done; \
	if [ $${#missing[@]} -gt 0 ]; then echo "installing: $${missing[*]}"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends "$${missing[@]}"; fi

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

# The dev set holds the run set, so a developer's environment serves the demo too.
$(VENV)/run.ok: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@[ -f $(VENV)/dev.ok ] || $(BIN)/pip install --disable-pip-version-check -q --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.ok: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --disable-pip-version-check -q --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@
