# Sets up a virtual environment once, then runs. "make help" lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

.PHONY: help run test format lint bench site pictures docs clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(VENV)/installed ## run the lesson from its first cell to its last
	$(BIN)/mnistry tutorial

test: $(VENV)/installed-dev lint ## check style and types, then run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-dev ## put all code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-dev ## measure everything, beside its peers (MNISTRY_DATA_DIR must be set); takes two hours and a half
	test -d .venv-peers || $(PYTHON) -m venv .venv-peers
	PIP_CONSTRAINT= .venv-peers/bin/python -m pip install --quiet -r benchmarks/peers/requirements.txt
	-PIP_CONSTRAINT= .venv-peers/bin/python -m pip install --quiet torch
	$(BIN)/python benchmarks/lesson.py .venv-peers/bin/python
	$(BIN)/python benchmarks/networks.py .venv-peers/bin/python
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/kills.py
	$(BIN)/python benchmarks/seeds.py
	$(BIN)/python benchmarks/strong.py .venv-peers/bin/python
	$(BIN)/python benchmarks/strong_seeds.py
	$(BIN)/python benchmarks/recogniser.py
	$(BIN)/python benchmarks/model.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/attacks.py
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/batch_kills.py

site: $(VENV)/installed-docs ## build the documentation site into site/; its first page is the last line
	$(BIN)/python tools/build_site.py

pictures: $(VENV)/installed-dev ## draw the pictures of the documentation again; needs Chromium and MNIST
	$(BIN)/python tools/draw_reading.py
	$(BIN)/python tools/draw_page.py

docs: $(VENV)/installed-dev ## write again what is generated: Korean catalogue, command reference, tables, lesson
	$(BIN)/python tools/translate.py
	$(BIN)/python tools/write_docs.py

clean: ## remove what the other targets made, run folders apart
	rm -rf $(VENV) build dist site src/*.egg-info .mypy_cache .pytest_cache .ruff_cache

# Some systems split ensurepip off Python: then the pip at hand sets up the new environment.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || ($(PYTHON) -m venv --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(VENV)/bin/python install pip)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --editable '.[train]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --editable '.[docs]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --editable '.[dev]'
	@touch $@
