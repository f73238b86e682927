# Two commands do everything on a fresh machine with Python 3.11 or newer: `make grid` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
.DELETE_ON_ERROR:
.PHONY: grid test test-all chaos chromium chromium-if-none check docs pictures vulnerabilities bench gpu format clean

# The tables go where git does not look: results/ holds what is committed.
grid: .venv/.ready  ## install, then run the default study (STUDY=report ARGS="--only model=cnn" for others)
	$(BIN)/tune-grid $(STUDY) --results runs/results $(ARGS)

# By file, because tests of a file share what is slow to make: a cluster, a browser, a wheel. (xdist's groups would be
# finer, but pytest 9.2 does not keep them.) A worker that dies is not replaced: by file, xdist would wait for ever then.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test: .venv/.ready-dev chromium-if-none  ## install, then run the tests but for the slow ones (ARGS="-k name" for some)
	$(PYTEST) -m "not slow" $(ARGS)

test-all: .venv/.ready-dev chromium-if-none  ## every test
	$(PYTEST) $(ARGS)

chaos: .venv/.ready-dev  ## seeded faults, one after the other, into results/reliability (ARGS="--faults 10 --fits 0")
	$(BIN)/python -m tests.chaos $(ARGS)

chromium-if-none:
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null || $(MAKE) --no-print-directory chromium \
	  || echo "No Chromium, and none could be installed: the tests of the page in a browser are skipped."

chromium:  ## Debian's package, where this user may install it
	@test "$$(id -u)" = 0 && command -v apt-get > /dev/null
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null

check: .venv/.ready-dev  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/.ready-docs  ## the guide as a site, into docs/_site; warnings are errors, and nothing is asked of the internet
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -c docs . docs/_site
	@echo "Open docs/_site/docs/index.html"

pictures: .venv/.ready-dev chromium-if-none  ## the guide's pictures, of the pages in results/ (ARGS="name=FOLDER" for others)
	$(BIN)/python docs/pictures.py $(ARGS)

vulnerabilities: .venv/bin/python  ## what is known of the versions in constraints.txt; needs the network (ARGS="-s osv")
	@test -x .venv/audit/bin/pip-audit || { $(BIN)/python -m venv .venv/audit \
	  && .venv/audit/bin/python -m pip install --quiet "pip-audit>=2.9,<3"; } \
	  || { rm -rf .venv/audit; echo "Nothing was checked: pip-audit cannot be installed from here."; exit 3; }
	@$(BIN)/python .ci/audit.py .venv/audit/bin/pip-audit $(ARGS)

bench: .venv/.ready-bench  ## install the peers, then measure this project against them (ARGS="--images 24000")
	$(BIN)/python -m benchmarks.peers $(ARGS)

gpu: .venv/.ready-bench  ## on a machine with a GPU: all that only one can show, under 30 minutes (ARGS="--only scores,graph")
	$(BIN)/python -m benchmarks.gpu $(ARGS)

format: .venv/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.ready: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing tune_app and requirements.txt into .venv (torch with CUDA: about 6 GB, some minutes) ..."
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.txt docs/requirements.txt
	@echo "Installing requirements-dev.txt into .venv ..."
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

.venv/.ready-bench: .venv/.ready benchmarks/requirements.txt
	@echo "Installing benchmarks/requirements.txt into .venv ..."
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	@touch $@

.venv/.ready-docs: .venv/.ready docs/requirements.txt
	@echo "Installing docs/requirements.txt into .venv ..."
	$(BIN)/python -m pip install --quiet -r docs/requirements.txt
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
