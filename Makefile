# make run   the app on http://127.0.0.1:8501       make test  the whole suite
# make demo  the same with a made-up portfolio      make lint  style, types, import rules
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST_ARGS ?=

.PHONY: install dev run demo test lint fuzz audit bench pins clean

install: $(VENV)/.app
dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@$(BIN)/python -m compileall -q mailcore ui pages
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --requirement requirements-bench.txt
	@touch $@

run: $(VENV)/.app
	$(BIN)/python -m streamlit run app.py

# A database of its own, filled once, with small servers on this machine that answer for it and stop with it.
demo: export MAILCORE_DATA_DIR = demo-data
demo: export MAILCORE_DATABASE_URL =
demo: export MAILCORE_KEYRING = database
demo: $(VENV)/.app
	$(BIN)/python -m demo

# On every processor; what was skipped is listed at the end with its reason.
# It keeps the tests as it has compiled them, also where the environment forbids that: each process would do it again.
# Alone: make test PYTEST_ARGS="-n 0 -k word".  Property tests for longer: MAILCORE_HYPOTHESIS=thorough make test
test: $(VENV)/.dev
	@$(BIN)/python -m compileall -q mailcore ui pages demo
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadgroup $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/oxlint --deny-warnings ui/assets

# Seeded bad input, bounded in time: make fuzz FUZZ_ARGS="--seconds 600 --seed 3"
FUZZ_ARGS ?=
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

# Known weaknesses of the pinned packages; needs the network. In an environment of its own, for its own packages.
AUDIT_ARGS ?=
audit: $(VENV)-audit/.done
	$(VENV)-audit/bin/python -m tests.audit $(AUDIT_ARGS)

$(VENV)-audit/.done: requirements-audit.txt
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --requirement requirements-audit.txt
	@touch $@

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

# After a change of requirements*.in: write every version out again, for every platform.
pins:
	for name in requirements requirements-dev requirements-audit; do \
	  uv pip compile --universal --python-version 3.11 --no-header --no-emit-index-url \
	    --output-file $$name.txt $$name.in; done

clean:
	rm -rf $(VENV) $(VENV)-audit .mypy_cache .ruff_cache .pytest_cache .hypothesis
