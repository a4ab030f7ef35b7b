.DEFAULT_GOAL := help
VENV ?= .venv
PEERS_VENV ?= .venv-peers
LOWEST_VENV ?= .venv-lowest
PYTHON ?= python3
PY := $(VENV)/bin/python
WORKERS ?= 1
TRAINER ?= 0
SECONDS ?= 60
# With two cores. The slow tests wait for processes: a third process of tests keeps both cores busy meanwhile.
TESTS_AT_ONCE ?= $(if $(filter test-lowest,$@),2,3)
PYTEST = $(PY) -m pytest -n $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder
# Collecting these takes seconds, and none of their tests is fast.
NOT_COLLECTED := --ignore=tests/browser --ignore=tests/api/routes/openapi/test_schemathesis.py -p no:schemathesis
# The fast tests run in these groups: a process of its own for each group collects only its tests, and sends no messages.
FAST_TESTS := api-tests worker-tests other-tests routes-tests
FOLDERS_routes := tests/api/routes tests/api/versions tests/api/fast
FOLDERS_api := tests/api $(FOLDERS_routes:%=--ignore=%)
FOLDERS_worker := tests/worker tests/shared
FOLDERS_other := tests $(patsubst %,--ignore=%,tests/api $(FOLDERS_worker))
MODEL ?= cnn
comma := ,
GPU := $(if $(wildcard /dev/nvidia0),gpu)
REQUIREMENTS := pyproject.toml requirements/constraints.txt $(wildcard requirements/*.txt client/requirements*.txt)
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt

# Each of the many processes that tests start would otherwise compile our modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run check lint fast-tests $(FAST_TESTS) test test-all test-lowest coverage audit train fast-train data evaluate qa bench bench-peers faults check-metrics hostile fuzz wheel docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/$(if $(filter 1,$(TRAINER)),.trainer,.run)-installed ## start Redis, the API, a worker (WORKERS=3: three), tasks (callbacks), Flower (TRAINER=1: a trainer; TASKS=1: the worker for Celery tasks)
	@$(PY) -m deploy.local --workers $(WORKERS) $(if $(filter 1,$(TRAINER)),--trainer) $(if $(filter 1,$(TASKS)),--door)

check: $(VENV)/.all-installed ## run lint, types and the fast tests
	@$(MAKE) --no-print-directory -j $(TESTS_AT_ONCE) --output-sync lint $(FAST_TESTS)

lint: $(VENV)/.all-installed ## check format, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

fast-tests: $(VENV)/.all-installed ## run only the tests of `make check`
	@$(MAKE) --no-print-directory -j $(TESTS_AT_ONCE) --output-sync $(FAST_TESTS)

$(FAST_TESTS): %-tests: $(VENV)/.all-installed
	$(PY) -m pytest -q -m "not slow and not long" $(NOT_COLLECTED) $(FOLDERS_$*)

test: $(VENV)/.all-installed ## run all tests except the long ones
	$(PYTEST) -m "not long"

test-all: $(VENV)/.all-installed ## run all tests, including the long ones, and every example of the property tests
	WIDE_TESTS=1 $(PYTEST)

test-lowest: $(LOWEST_VENV)/.installed ## run the fast tests with the lowest versions that the requirements allow
	$(LOWEST_VENV)/bin/python -m pytest -q -m "not slow and not long" -n $(TESTS_AT_ONCE) --dist loadfile

coverage: $(VENV)/.all-installed ## report which lines `make test` runs in pytest's own process (not in the API and the workers)
	$(PYTEST) -m "not long" --cov --cov-report=term:skip-covered

audit: $(VENV)/.all-installed ## list known vulnerabilities of the pinned dependencies, if the registry has advisories
	$(PY) -m tools.audit

fuzz: $(VENV)/.all-installed ## fuzz every parser of external input, for SECONDS (60) in total
	$(PY) -m tools.fuzz --seconds $(SECONDS)

train: $(VENV)/.all-installed ## train a new default model (60 epochs) and export it as build/models/cnn/1
	$(PY) -m training train --weights build/cnn.keras
	$(PY) -m training export --weights build/cnn.keras --models-dir build/models --version 1 --force

fast-train: $(VENV)/.all-installed ## train for one epoch
	$(PY) -m training train --weights build/cnn-fast.keras --num-epochs 1

evaluate: $(VENV)/.all-installed ## measure the accuracy of the served model on the MNIST test set
	$(PY) -m training evaluate --model cnn

qa: $(VENV)/.all-installed ## compare MODEL (cnn: its latest version) with the champion, and write the report next to it
	$(PY) -m training qa $(MODEL)

bench: $(VENV)/.all-installed ## measure this machine, and the other servers if `make bench-peers` has installed them
	$(PY) -m benchmarks --peers-venv $(PEERS_VENV)

bench-peers: ## install the other servers that the benchmark compares with, in a separate environment
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check '.[peers]'

faults: $(VENV)/.all-installed ## cause faults in a running service, and account for every image that it accepted
	$(PY) -m tools.faults $(FAULTS)

check-metrics: $(VENV)/.all-installed ## test alerts and dashboard on a running service with faults and a real Prometheus (FIGURE=file.svg: a picture)
	$(PY) -m tools.check_metrics $(if $(FIGURE),--figure $(FIGURE))

hostile: $(VENV)/.all-installed ## send every known bad input to a running service (ONLY=text,text: some groups); count responses, measure costs
	$(PY) -m tools.fuzz --hostile $(if $(ONLY),--only "$(ONLY)")

wheel: $(VENV)/.all-installed ## build the wheels in dist/: the whole package, and the client alone
	$(PY) -m build --outdir dist .
	$(PY) -m build --outdir dist client

docs: $(VENV)/.docs-installed ## build the documentation as a site: build/site/index.html
	@$(PY) -m properdocs build --quiet --strict
	@echo build/site/index.html

data: $(VENV)/.run-installed ## download MNIST into data/mnist
	$(PY) -m training data --dir data/mnist

clean: ## remove everything that the other targets created, including the virtual environment
	rm -rf $(VENV) $(PEERS_VENV) $(LOWEST_VENV) .run .bench build dist *.egg-info .coverage* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-installed: $(REQUIREMENTS) | $(PY)
	$(PIP_INSTALL) -e '.$(if $(GPU),[$(GPU)])'
	@touch $@

$(VENV)/.trainer-installed: $(REQUIREMENTS) | $(PY)
	$(PIP_INSTALL) -e '.[train$(if $(GPU),$(comma)$(GPU))]'
	@touch $@ $(VENV)/.run-installed

$(VENV)/.docs-installed: requirements/docs.txt requirements/constraints.txt | $(PY)
	$(PIP_INSTALL) -r requirements/docs.txt
	@touch $@

$(VENV)/.all-installed: $(REQUIREMENTS) | $(PY)
	$(PIP_INSTALL) -e '.[train,dev$(if $(GPU),$(comma)$(GPU))]'
	@touch $@ $(VENV)/.run-installed $(VENV)/.trainer-installed $(VENV)/.docs-installed

# The requirements' own packages get their lowest versions, and the packages that those need get their newest.
$(LOWEST_VENV)/.installed: $(REQUIREMENTS)
	$(PYTHON) -m venv $(LOWEST_VENV)
	$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt uv
	$(LOWEST_VENV)/bin/uv pip install --quiet --python $(LOWEST_VENV)/bin/python --resolution lowest-direct \
		--compile-bytecode -e '.[train,dev,parquet]'
	@touch $@
