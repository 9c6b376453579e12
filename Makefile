# Two commands do all the set-up: `make demo` and `make test`. Everything lands in .venv, except the system packages of `make peers`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More for pip, such as the index of another torch build.
PIP_ARGS ?=
PACKAGES := jackd2 liblo-tools libportaudio2 ardour iproute2 lua5.4 lua-check xvfb xdotool imagemagick

.PHONY: help install dev peers demo test check format benchmark clean

help:            ## list what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

install: $(VENV)/installed   ## StemBridge into .venv

dev: $(VENV)/developing      ## ... with what tests and checks need

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "StemBridge needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/developing: $(VENV)/installed
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

peers:           ## the real peers that tests drive, from the system's packages where that is allowed
	@sh tests/install_peers.sh $(PACKAGES)

demo: install    ## start the daemon, trigger it as a DAW would, hear about the notes, keep the files
	$(BIN)/stembridge demo

test: dev peers  ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: dev       ## lint, types, formatting, rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict daw_scripts/sender.py
	$(BIN)/lint-imports
	@if command -v luacheck >/dev/null; then luacheck --config daw_scripts/.luacheckrc daw_scripts tests/daw_scripts; else echo "luacheck is not installed: Lua is not checked (make peers)"; fi

format: dev      ## let ruff lay out the code
	$(BIN)/ruff format .

benchmark: dev   ## every measurement of benchmarks/, against its reference in the same run
	@for script in $$(grep -l __main__ benchmarks/*.py); do echo "== $$script"; $(BIN)/python -m benchmarks.$$(basename $$script .py) || exit 1; done

clean:           ## remove .venv and what tools left
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis demo-output
