# pleura: `make demo` segments a real chest CT; `make test` passes all tests. Both set up first.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo
OUT := demo-output

.PHONY: help setup demo test test-slow lint clean

help:
	@echo "make demo       set up (no torch), segment examples/chest.nii.gz, show the result"
	@echo "make test       set up, lint and run the tests"
	@echo "make test-slow  the tests that take minutes"
	@echo "make lint       ruff, mypy --strict, import-linter"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[lab]" --group dev
	@touch $@

$(DEMO_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet --editable .
	@touch $@

demo: $(DEMO_VENV)/.ready
	@mkdir -p $(OUT)
	$(DEMO_VENV)/bin/pleura segment examples/chest.nii.gz -o $(OUT)/chest_lungs.nii.gz --picture $(OUT)/chest_lungs.png
	@echo
	@echo "For research, not a medical device. Open $(OUT)/chest_lungs.png to see the mask on the scan."

test: setup lint
	$(VENV)/bin/python -m pytest

test-slow: setup
	$(VENV)/bin/python -m pytest -m slow

lint: setup
	$(VENV)/bin/ruff check src tests benchmarks
	$(VENV)/bin/ruff format --check src tests benchmarks
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

clean:
	rm -rf $(VENV) $(DEMO_VENV) $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis
