# The chores, one word each. A fresh machine needs Python >= 3.11, make and a package index; nothing else.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= auto
SINCE ?= HEAD
export PYTHONDONTWRITEBYTECODE :=# each worker would compile every test once more

# Workers beyond eight spend their time on collecting; `worksteal` lets none wait for another's last file.
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 8 --dist worksteal
# Without the examples in docstrings; `SHAPES=unchecked`: nor are the shapes in signatures checked.
PLAIN = -o addopts="--strict-markers --strict-config --import-mode=importlib"

.PHONY: help demo quick near test test-apps test-clients check dist bench clean

help:
	@echo "make demo          explain bundled photographs with the bundled model; open out/index.html"
	@echo "make near          the tests that mirror what you changed (SINCE=main: since you left main)"
	@echo "make quick         what a change can break, in about a minute: a sample, nothing slow, no whole networks"
	@echo "make test          the whole test suite (ARGS='-k guided -x': some of it; WORKERS=4)"
	@echo "make test-apps     what is dear, or needs a browser, PostgreSQL or node; says which are missing"
	@echo "make test-clients  our numbers beside those of other libraries, in an environment of its own"
	@echo "make check         format, lint, types, import contract, dead links"
	@echo "make dist          wheel and sdist, built and checked, in dist/"
	@echo "make bench         time and memory against peers, as ratios in one run"
	@echo "make clean         remove what these words made"

demo: .venv/ready-demo
	$(BIN)/sightline demo --out out

quick: .venv/ready-check
	SHAPES=unchecked $(PYTEST) -x -m "not slow and not zoo and not apps" --sample 8 $(PLAIN) tests $(ARGS)

near: .venv/ready-check
	@files=$$( { git diff --name-only $(SINCE); git ls-files --others --exclude-standard; } | $(BIN)/python tests/near.py ); \
	if [ -z "$$files" ]; then echo "Nothing that has a test was changed since $(SINCE)."; \
	else echo "$$files"; $(BIN)/python -m pytest -q -x $$files $(ARGS); fi

test: .venv/ready-check
	$(PYTEST) -m "not apps" --durations=25 $(ARGS)

test-apps: .venv/ready-check
	@missing=$$(.ci/missing); echo "Missing here: $${missing:-nothing}."
	@files=$$(grep -rl --include='test_*.py' 'mark[.]apps' tests); \
	if [ -z "$$files" ]; then echo "No test needs a browser, PostgreSQL or node so far."; \
	else $(BIN)/python -m pytest -q -m apps $$files $(ARGS); fi

test-clients: .venv-clients/ready
	.venv-clients/bin/python -m pytest -q -m clients tests $(ARGS)

check: .venv/ready-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	SHAPES=unchecked $(BIN)/python -m pytest -q $(PLAIN) tests/test_contract.py
	$(BIN)/python docs/links.py

dist: .venv/ready-check
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

bench: .venv/ready-bench
	$(BIN)/python benchmarks/explain.py

clean:
	rm -rf .venv .venv-clients out dist

# WITH="'torch==2.6.*' 'torchvision==0.21.*'" holds packages to other versions than the newest.
INSTALL = -m pip install --quiet $(WITH) --editable

.venv/bin/python .venv-clients/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "sightline needs Python 3.11 or newer: make PYTHON=python3.12"'
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)
	$@ -m pip install --quiet --upgrade pip

.venv/ready-demo: .venv/bin/python pyproject.toml
	$(BIN)/python $(INSTALL) '.[demo]'
	@touch $@

.venv/ready-check: .venv/bin/python pyproject.toml
	$(BIN)/python $(INSTALL) '.[check]'
	@touch $@ .venv/ready-demo

.venv/ready-bench: .venv/ready-check
	$(BIN)/python $(INSTALL) '.[check,bench]'
	@touch $@

.venv-clients/ready: .venv-clients/bin/python pyproject.toml
	.venv-clients/bin/python $(INSTALL) '.[test,clients]'
	@touch $@
