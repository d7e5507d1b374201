# Everything is done in .venv; PYTHON chooses the Python (3.11 or later) that makes it.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
BIN := .venv/bin
CODE := app.py bench chalicelib localcloud ops tests
SCRIPTS := .ci/run desktop/linux/elephant-desktop desktop/linux/install.sh $(wildcard desktop/linux/start.d/*)

.PHONY: help install install-dev demo try test test-localcloud soak burst mutants bench pictures format lock clean

help:  ## Show what there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 24

install: .venv/installed  ## Install the operator's commands into .venv

install-dev: .venv/installed-dev  ## Install everything into .venv: the demo, the tests, the local cloud

PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Elephant needs Python 3.11 or later; say which: make PYTHON=/path/to/python3.14" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Elephant needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}")'
	@"$(PYTHON)" -m venv --clear .venv

.venv/installed: requirements-ops.txt pyproject.toml | .venv/bin/pip
	@echo "Installing the operator's commands into .venv (half a minute, once) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-ops.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: requirements-dev.txt pyproject.toml | .venv/bin/pip
	@echo "Installing everything into .venv (a minute or two, once) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-mutants: requirements-mutants.txt .venv/installed-dev
	@$(PIP_INSTALL) --require-hashes -r requirements-mutants.txt
	@touch $@

demo: install-dev  ## Play a meeting from launch to end on this machine, checking every promise
	@$(BIN)/python -m localcloud demo

try: install-dev  ## Open a meeting's links in your own browser, and let time pass on Enter
	@$(BIN)/python -m localcloud try

test: install-dev  ## Check format, lint and types, and run the tests of the product
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/shellcheck $(SCRIPTS)
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --cov --cov-report=
	$(BIN)/coverage report --include='chalicelib/*' --fail-under=100
	$(BIN)/coverage report --include='ops/*' --fail-under=95

test-localcloud: install-dev  ## Run the tests of the local cloud itself
	$(BIN)/python -m pytest localcloud/tests --numprocesses=2 --dist=loadfile

soak: install-dev  ## Run SCHEDULES=10000 of the simulation, from SEED=0; MEETINGS=1 that of meetings
	$(BIN)/python -m tests.simulation $(if $(MEETINGS),--meetings) --schedules $(or $(SCHEDULES),10000) --seed $(or $(SEED),0)

burst: install-dev  ## Start 2,000 desktops at once against Cloudflare's real limit, on simulated time
	$(BIN)/python -m tests.simulation --burst 2000

mutants: .venv/installed-mutants  ## Change the decisions in 1,700 ways, and list the changes that no test notices
	@rm -rf mutants  # it would not see that tests have changed
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

bench: install-dev  ## Measure it beside the guide and octodns (six minutes; valgrind counts instructions), into docs/performance.md
	$(BIN)/python -m bench

pictures: install-dev  ## Draw and photograph docs/pictures (a minute and a half; needs Graphviz and Chromium)
	dot -Tsvg docs/pictures/architecture.dot -o docs/pictures/architecture.svg
	dot -Tsvg docs/pictures/flow.dot -o docs/pictures/flow.svg
	$(BIN)/python -m bench.picture
	$(BIN)/python -m tests.pictures

format: install-dev  ## Format the code and fix what the linter can
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

lock: install-dev  ## Pin the newest versions of what requirements*.in name
	$(BIN)/pip install --quiet uv
	$(LOCK) --upgrade requirements-dev.in -o requirements-dev.txt
	$(LOCK) --upgrade -c requirements-dev.txt requirements-ops.in -o requirements-ops.txt
	$(LOCK) --upgrade -c requirements-dev.txt requirements-mutants.in -o requirements-mutants.txt

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-strip-extras \
	--custom-compile-command "make lock" --generate-hashes

clean:  ## Remove everything that was made
	rm -rf .venv mutants *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .chalice/deployments .chalice/deployed/local.json
