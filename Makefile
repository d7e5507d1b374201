# Everything is done in .venv; PYTHON chooses the Python (3.11 or later) that makes it.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
BIN := .venv/bin
CODE := app.py bench chalicelib localcloud ops tests

.PHONY: help install demo test soak burst bench format lock clean

help:  ## Show what there is to make
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 18

install: .venv/installed  ## Install everything into .venv

.venv/installed: requirements-dev.txt requirements.txt
	@test -n "$(PYTHON)" || { echo "Elephant needs Python 3.11 or later; say which: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Elephant needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}")'
	@echo "Installing into .venv (a minute or so, once) …"
	@"$(PYTHON)" -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt -d .venv/wheels
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt -d .venv/wheels \
		--only-binary=:all: --platform manylinux2014_x86_64
	@touch $@

demo: install  ## Play a meeting from launch to end on this machine, checking every promise
	@$(BIN)/python -m localcloud demo

test: install  ## Check format, lint and types, and run all tests
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --cov --cov-report=term

soak: install  ## Run SCHEDULES=10000 of the simulation, from SEED=0; MEETINGS=1 that of meetings
	$(BIN)/python -m tests.simulation $(if $(MEETINGS),--meetings) --schedules $(or $(SCHEDULES),10000) --seed $(or $(SEED),0)

burst: install  ## Start 2,000 desktops at once against Cloudflare's real limit, on simulated time
	$(BIN)/python -m tests.simulation --burst 2000

bench: install  ## Measure it beside the guide and octodns (some minutes), into docs/performance.md
	$(BIN)/python -m bench

format: install  ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

lock: install  ## Pin the newest versions of what requirements*.in name
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" \
		--generate-hashes requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" \
		--generate-hashes --no-strip-extras requirements-dev.in -o requirements-dev.txt

clean:  ## Remove everything that was made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .chalice/deployments .chalice/deployed/local.json
