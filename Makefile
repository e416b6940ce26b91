# One documented command runs every check: `make test`. Needs Python 3.11+, make and git, nothing else.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := PIP_ROOT_USER_ACTION=ignore $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
# Three on two cores: most tests wait for a process or a pace more than they compute.
JOBS ?= 3
ARGS ?=
MINUTES ?= 30

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run test lint format system bench soak fakes docs lock clean

help:
	@echo 'make run      start the gateway (ARGS="--config F" goes to `gatepost run`)'
	@echo 'make test     every check: style, types, boundaries, dependencies, tests'
	@echo 'make setup    make .venv from the locked dependencies, with the gatepost command in it'
	@echo 'make lint     the checks of `make test` without the tests;  make format  fix what can be fixed'
	@echo 'make fakes    loopback Telegram, Slack, Discord and model servers to try it all without accounts'
	@echo 'make bench    benchmarks'
	@echo 'make soak     every kill test, long property tests, then MINUTES=30 of mixed traffic and random kills'
	@echo 'make docs     write the pages that are made from code: configuration, commands, limits, contract'
	@echo 'make lock     resolve requirements.lock again;  make clean  remove what make made'

setup: $(STAMP)
	@:

# The stamp is newer than everything it was made from, so a second call does nothing.
$(STAMP): requirements.lock pyproject.toml
	@py=''; bare=''; \
	for p in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	  if "$$p" -c 'import ensurepip, venv' >/dev/null 2>&1; then py="$$p"; break; fi; \
	  bare="$${bare:-$$p}"; \
	done; \
	if [ -z "$$py" ] && [ -n "$$bare" ]; then \
	  v=$$("$$bare" -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
	  echo "$$v is here but cannot make virtual environments: install its venv module" \
	    "(Debian, Ubuntu: apt-get install $$v-venv) and run make again." >&2; exit 1; \
	fi; \
	if [ -z "$$py" ]; then \
	  echo "Python 3.11 or newer was not found: install it (Debian, Ubuntu: apt-get install python3" \
	    "python3-venv), or name one with PYTHON=/path/to/python3, and run make again." >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	  echo "setup: making $(VENV) with $$("$$py" --version)"; \
	  "$$py" -m venv --clear $(VENV); \
	fi
	@echo 'setup: installing the locked dependencies (about a minute the first time)'
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q gateway platforms agent
	@touch $@

run: setup
	@$(BIN)/gatepost run $(ARGS)

lint: setup
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >$(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }
	@$(BIN)/deptry . --no-ansi 2>$(VENV)/deptry.log || { cat $(VENV)/deptry.log; exit 1; }
	@echo 'lint: style, types, boundaries and dependencies are in order'

format: setup
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

# Page tests need a browser, those of the shell tool bubblewrap; where one can't be installed its
# tests are skipped and say why.
system:
	@want=''; \
	found=''; for b in chromium chromium-browser google-chrome; do \
	  if command -v $$b >/dev/null 2>&1; then found=yes; fi; done; \
	[ -n "$$found" ] || want='chromium'; \
	command -v bwrap >/dev/null 2>&1 || want="$${want:+$$want }bubblewrap"; \
	[ -n "$$want" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=''; \
	elif sudo -n true >/dev/null 2>&1; then as='sudo -n'; \
	else echo "system: $$want not found and no right to install; their tests will be skipped"; exit 0; fi; \
	if ! command -v apt-get >/dev/null 2>&1; then \
	  echo "system: $$want not found and no apt-get to install; their tests will be skipped"; exit 0; \
	fi; \
	echo "system: installing $$want for the tests"; \
	log=$(VENV)/system.log; \
	{ $$as env DEBIAN_FRONTEND=noninteractive apt-get -qq update \
	  && $$as env DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install --yes --no-install-recommends $$want; } >$$log 2>&1 \
	  || echo "system: apt-get could not install $$want (see $$log); their tests will be skipped"

# Real processes, sockets and browsers on a busy machine: a test that fails is run once more, three
# at most in all, each shown with its first failure. `make soak` and a bare `pytest` forgive none.
test: setup system lint
	@$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal \
	  --reruns=1 --max-suite-reruns=3 --rerun-show-tracebacks $(ARGS)

soak: setup
	@$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal \
	  -m 'soak or hypothesis' --hypothesis-profile=soak --timeout=3600 $(ARGS)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES)

bench: setup
	@$(BIN)/python -m benchmarks $(ARGS)

fakes: setup
	@$(BIN)/python -m tests.wire $(ARGS)

docs: setup
	@$(BIN)/python -m gateway.config.reference >docs/configuration.md
	@$(BIN)/python -m gateway.command_reference >docs/commands.md
	@$(BIN)/python -m tests.platforms.numbers.page >docs/limits.md
	@$(BIN)/python -m tests.contracts.platforms.table >docs/contract.md

# uv resolves for every supported Python and platform at once; it lives in a directory of its own.
lock: setup
	@test -x $(VENV)/lock/bin/uv || { $(BIN)/python -m venv $(VENV)/lock \
	  && $(VENV)/lock/bin/python -m pip --quiet --quiet --disable-pip-version-check install uv; }
	@$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --all-extras --group dev $(if $(UPGRADE),--upgrade) --output-file requirements.lock pyproject.toml

clean:
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
