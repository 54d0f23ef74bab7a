# Needs git, make and Python 3.11 or later; everything else is made in $(VENV), once.
PYTHON ?= python3
VENV ?= .venv

PY := $(VENV)/bin/python
LOG := $(VENV)/setup.log
# Two stages, so that the demo does not wait for the tools of the tests.
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
PIP := $(PY) -m pip install -q -c constraints.txt
PYTEST := $(PY) -m pytest -q
HOUSE := tests/test_house.py tests/test_contracts.py tests/test_core_is_pure.py tests/test_rules_cited.py
KILLS := tests/adapters/test_file_kills.py tests/adapters/cli/test_cli_ctrl_c.py
PEERS_VENV ?= .venv-bench
PEERS := $(PEERS_VENV)/.ready
BENCH := PYTHONPATH=tests/bench BENCH_VENV=$(abspath $(PEERS_VENV)) $(PY)
FAULTS := deep-faults-urllib3 deep-faults-aiohttp deep-faults-httpx2 deep-faults-trio
MATRIX_urllib3 := TestUrllib3Faults
MATRIX_aiohttp := TestAiohttpFaults
MATRIX_httpx2 := TestHttpx2AsyncioFaults
MATRIX_trio := TestHttpx2TrioFaults
# Tests of the tests: mutants of the core by mutmut, a group of modules a part.
MUTANTS := $(addprefix deep-mutants-,values wire transfer session job endpoint)
# Each part is done in less than half an hour.
DEEP := deep-install deep-core deep-adapters deep-races deep-files deep-celery deep-proxies deep-saboteurs deep-fuzz $(FAULTS) $(MUTANTS)
BENCHES := $(patsubst tests/bench/bench_%.py,bench-%,$(wildcard tests/bench/bench_*.py))

# Tests find the programs of the environment, such as `reportdl` itself, before the machine's.
export PATH := $(abspath $(VENV)/bin):$(PATH)
export PYTHONSAFEPATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check deep bench bench-full docs clean
.PHONY: check-style check-types check-house check-docs check-core check-batch $(DEEP) $(BENCHES)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

demo: $(RUNS) ## download real reports from a reference server on loopback
	@$(PY) docs/examples/demo.py

# Three workers on two cores: most of the time goes to waiting for real sockets. The pages are judged by `make check`.
test: $(READY) ## run the tests (under five minutes)
	@$(PYTEST) -n 3 --dist worksteal -m "not deep and not docs"

check: check-style check-types check-house check-docs check-core check-batch ## style, types, import contracts, docs, and the core's branches all covered

check-style: $(READY)
	@$(PY) -m ruff check -q .
	@$(PY) -m ruff format -q --check .

check-types: $(READY)
	@$(PY) -m mypy
	@$(PY) -m pyright

check-house: $(READY)
	@$(PYTEST) $(HOUSE)

check-docs: $(READY)
	@$(PYTEST) -m docs

# The core by its own tests, group by group: what only a neighbour's or an adapter's test reaches does not count.
check-core: $(READY)
	@$(PY) tests/core/covered.py

# One part after the other, whatever comes of them; then one table of all that was measured.
deep: $(READY) ## the long tests, part by part, and their table; one part: make deep-core, make deep-files, ...
	@mkdir -p out && rm -f out/deep-failed
	@for part in $(DEEP); do echo "== $$part"; began=$$(date +%s); \
		$(MAKE) --no-print-directory $$part || echo $$part >>out/deep-failed; \
		took=$$(( $$(date +%s) - began )); echo "== $$part: $$took s"; \
		test $$took -lt 1800 || echo "$$part (took $$took s, more than half an hour)" >>out/deep-failed; done
	@PYTHONPATH=. $(PY) -m tests.proof.figures table || echo table >>out/deep-failed
	@! test -e out/deep-failed || { echo failed: $$(cat out/deep-failed) >&2; exit 1; }

deep-core: $(READY)
	@HYPOTHESIS_PROFILE=deep $(PYTEST) -m "deep or not deep" --timeout=1800 --ignore=tests/core/test_session_races.py tests/core

# Wheel and sdist in empty environments: the base, each extra alone, all of them.
deep-install: $(READY)
	@$(PYTEST) -m deep tests/test_install.py

deep-adapters: $(READY)
	@HYPOTHESIS_PROFILE=deep $(PYTEST) -m "deep or not deep" --timeout=1800 --ignore=tests/adapters/batch --ignore=tests/adapters/faults $(addprefix --ignore=,$(KILLS)) tests/adapters

# Every fault in every state, once and for ever, plain and TLS; what was measured goes into docs/reliability.md.
$(FAULTS): deep-faults-%: $(READY)
	@REPORTDL_RECORD=1 $(PYTEST) -n 2 -m "deep or not deep" --timeout=120 -k "$(MATRIX_$*)" tests/adapters/faults
	@REPORTDL_WRITE_DOCS=1 $(PYTEST) -m docs tests/adapters/faults/test_faults_page.py

deep-proxies: $(READY)
	@$(PYTEST) -m "deep or not deep" --timeout=120 tests/adapters/faults/test_proxies.py tests/adapters/faults/test_deadlines.py

# Killed, and interrupted, two hundred times each.
deep-files: $(READY)
	@$(PYTEST) -m deep --timeout=1800 $(KILLS)

# On Python 3.11, 3.12 and 3.13, as far as they are there.
deep-races: $(READY)
	@$(PYTEST) -m deep --timeout=1800 tests/core/test_session_races.py

# Processes killed at every point of a delivery, a store over the network, workers: a minute on two cores.
check-batch: $(READY)
	@$(PYTEST) -n 2 -m deep --timeout=300 tests/adapters/batch -k "not two_hundred"

# Workers killed at random, and the broker restarted under them.
deep-celery: $(READY)
	@$(PYTEST) -s -m deep --timeout=1800 tests/adapters/batch/test_batch_celery.py -k two_hundred

# A core that breaks one invariant, thirteen times over: the tests of that invariant must see it.
deep-saboteurs: $(READY)
	@$(FRESH)
	@REPORTDL_RECORD=1 $(PYTEST) -n 2 -m deep tests/saboteurs

deep-fuzz: $(READY)
	@$(FRESH)
	@REPORTDL_RECORD=1 $(PY) tests/fuzz/fuzz.py --seconds $(or $(FUZZ_SECONDS),60)

$(MUTANTS): deep-mutants-%: $(READY)
	@REPORTDL_RECORD=1 $(PY) tests/mutants/mutmut_core.py $*

# One part after the other; a part that fails leaves the others' figures, and the page says what is there.
bench: BATCH_FLAGS ?= --jobs 1000 --kills 3 --rows 100000
bench: $(READY) $(PEERS) ## measure against what else one could use, and write docs/performance.md; one part: make bench-core
	@mkdir -p out/bench && rm -f out/bench/failed
	@for part in $(BENCHES); do $(MAKE) --no-print-directory $$part BATCH_FLAGS="$(BATCH_FLAGS)" || echo $$part >>out/bench/failed; done
	@$(BENCH) tests/bench/report.py
	@! test -e out/bench/failed || { echo failed: $$(cat out/bench/failed) >&2; exit 1; }

bench-full: ## the same with more rounds, 4 GiB, and a million jobs in the core alone
	@$(MAKE) --no-print-directory bench BENCH_FLAGS=--full BATCH_FLAGS="--jobs 10000"

$(BENCHES): bench-%: $(READY) $(PEERS)
	@$(BENCH) tests/bench/bench_$*.py $(if $(filter batch,$*),$(or $(BATCH_FLAGS),$(BENCH_FLAGS)),$(BENCH_FLAGS))

# The peers have an environment of their own: what they need must not move our versions.
$(PEERS): tests/bench/peers/requirements.txt
	@echo "setting up $(PEERS_VENV) (once)"
	@$(PYTHON) -m venv $(PEERS_VENV)
	@$(PEERS_VENV)/bin/python -m pip install -q -r $< >$(PEERS_VENV)/setup.log 2>&1 || { cat $(PEERS_VENV)/setup.log; exit 1; }
	@touch $@

docs: $(READY) ## write the generated pages of docs/ anew, check all pages, and build the site in build/site
	@REPORTDL_WRITE_DOCS=1 $(PYTEST) -m docs
	@$(PY) -m sphinx -q -W --keep-going -b html docs build/site
	@cp build/site/README.html build/site/index.html

include tests/proof/proof.mk

clean: ## remove what runs left behind, but for the virtual environment
	@rm -rf build dist out htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find core adapters tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNS): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -c 'import sys; sys.exit("reportdl needs Python 3.11 or later: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) pip hatchling editables >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@$(PIP) --no-build-isolation -e '.[all]' >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

$(READY): $(RUNS)
	@echo "adding the tools of the tests (once)"
	@$(PIP) --group dev >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@
