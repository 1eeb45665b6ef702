# Passbook: `make help` lists what there is.

PYTHON ?= python3.11
SOURCE ?= demo
DATA ?=
CUSTOMERS ?= 50000
UPGRADE ?=
SCREENSHOTS ?=
# A test file to each of two workers, in order: the chain comes first and waits for its scheduler
# much of the time.
SIDE_BY_SIDE ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder
BIN := .venv/bin
CODE := include dags plugins tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo stop status test test-faults test-hive test-order test-ui check fix lock

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo
	@echo "  make demo SOURCE=insurance_purchases DATA=<folder>   the weeks of a real insurer's files"

demo: .venv/installed ## Install, start the servers, fill a demo bank, run its week, show what it says
	@$(BIN)/passbook demo --source $(SOURCE) --customers $(CUSTOMERS) $(if $(DATA),--data $(DATA))

stop: ## Stop the servers that `make demo` left running
	@if [ -x $(BIN)/passbook ]; then $(BIN)/passbook stop; else echo "Nothing is installed."; fi

status: .venv/installed ## Tell which servers run, and where
	@$(BIN)/passbook status

test: .venv/installed-dev ## Run the tests, on real servers; the four below take longer and more
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-faults: .venv/installed-dev ## Do faults to real processes and write docs/reliability.md
	PASSBOOK_RELIABILITY_REPORT=docs/reliability.md $(BIN)/pytest $(SIDE_BY_SIDE) -m faults

test-order: .venv/installed-dev ## Run weeks of all five DAGs in several orders and compare every table's hash
	$(BIN)/pytest -m order

test-ui: .venv/installed-dev ## Do an operator's work in a headless Chromium; SCREENSHOTS=folder keeps pictures
	PASSBOOK_SCREENSHOTS=$(SCREENSHOTS) $(BIN)/pytest -m browser

test-hive: .venv/installed-dev build/apache-hive ## Run the SQL and the ingest on Apache Hive itself (Java 17, Maven)
	$(BIN)/pytest --apache-hive -m 'apache_hive or hive' $(ON_APACHE_HIVE)

ON_APACHE_HIVE := tests/apache_hive tests/sql tests/test_hive.py tests/steps/test_check_source.py \
	tests/steps/test_ingest_work_tables.py

build/apache-hive: tests/apache_hive/pom.xml
	@command -v mvn >/dev/null || { echo "Maven and Java 17 are needed." >&2; exit 1; }
	rm -rf $@ && mvn --batch-mode --quiet --file $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@
	@touch $@

check: .venv/installed-dev ## Format, lint and types; changes nothing
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy

fix: .venv/installed-dev ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock: .venv/installed-dev ## Resolve the dependencies (UPGRADE=--upgrade: to newer ones) and pin them
	$(BIN)/uv pip compile $(LOCK) requirements-installer.in -o requirements-installer.txt
	$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(BIN)/uv pip compile $(LOCK) pyproject.toml requirements-image.in -o requirements-image.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" --quiet $(UPGRADE)

INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes
EDITABLE = $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .

.venv/python: requirements-installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 is needed; make PYTHON=/path/to/python3.11 names another one." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-installer.txt
	@touch $@

.venv/installed: .venv/python requirements.txt pyproject.toml
	$(INSTALL) -r requirements.txt
	$(EDITABLE)
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@
