# Two commands for a newcomer: `make demo` and `make test`. Needs Python 3.11+, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format bench clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed  ## install apigw here and take the tour
	$(BIN)/apigw demo

test: $(VENV)/.installed-dev  ## install what the tests need and run them all (a file in one process: its tests share gateways)
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.installed-dev  ## format, lint, types and the arrows between the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev  ## every benchmark for some seconds; docs/performance.md has the long runs
	$(BIN)/python benchmarks/data_path.py --rounds 3
	-$(BIN)/python benchmarks/gateway_race.py --rounds 1 --seconds 1
	-$(BIN)/python benchmarks/parallelism.py --rounds 2 --seconds 1
	$(BIN)/python benchmarks/streaming.py --mib 64 --stall 0.2
	$(BIN)/python benchmarks/soak.py --reloads 5 --minutes 0.5

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
