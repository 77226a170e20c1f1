# The chores, one word each. A fresh machine needs Python >= 3.11, make and a package index; nothing else.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help demo test check bench clean

help:
	@echo "make demo    explain bundled photographs with the bundled model; open out/index.html"
	@echo "make test    the whole test suite"
	@echo "make check   format, lint, types, import contract, dead links"
	@echo "make bench   time and memory against peers, as ratios in one run"

demo: .venv/ready-demo
	$(BIN)/sightline demo --out out

test: .venv/ready-check
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -q $(ARGS)

check: .venv/ready-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/links.py

bench: .venv/ready-bench
	$(BIN)/python benchmarks/explain.py

clean:
	rm -rf .venv out

.venv/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "sightline needs Python 3.11 or newer: make PYTHON=python3.12"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/ready-demo: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	@touch $@

.venv/ready-check: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[check]'
	@touch $@ .venv/ready-demo

.venv/ready-bench: .venv/ready-check
	$(BIN)/python -m pip install --quiet --editable '.[check,bench]'
	@touch $@
