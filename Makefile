# Two commands do everything on a fresh machine with Python 3.11 or newer: `make grid` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
.DELETE_ON_ERROR:
.PHONY: grid test check bench format clean

grid: .venv/.ready  ## install, then run the default study (STUDY=report ARGS="--only model=cnn" for others)
	$(BIN)/python -m tune_app.grid $(STUDY) $(ARGS)

test: .venv/.ready-dev  ## install, then run the tests
	$(BIN)/python -m pytest $(ARGS)

check: .venv/.ready-dev  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.ready-bench  ## install the peers, then measure this project against them (ARGS="--images 24000")
	$(BIN)/python -m benchmarks.peers $(ARGS)

format: .venv/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.ready: requirements.txt | .venv/bin/python
	@echo "Installing requirements.txt into .venv (torch with CUDA: about 6 GB, some minutes) ..."
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

.venv/.ready-dev: requirements.txt requirements-dev.txt | .venv/bin/python
	@echo "Installing requirements-dev.txt into .venv (torch with CUDA: about 6 GB, some minutes) ..."
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@ .venv/.ready

.venv/.ready-bench: .venv/.ready benchmarks/requirements.txt
	@echo "Installing benchmarks/requirements.txt into .venv ..."
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
