# `make demo` and `make test` set up everything they need: Python 3.11 or later and make are enough.

PYTHON := $(shell for python in $(PYTHON) python3 python3.11 python3.12 python3.13 \
	$(HOME)/.pyenv/versions/3.1[1-9].*/bin/python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# The tests start thousands of interpreters: where none keeps what it has compiled, each takes four
# times as much processor time to begin.
unexport PYTHONDONTWRITEBYTECODE

# The tests of processes, faults and streams, for `make stress`.
STRESS := $(wildcard $(addprefix tests/test_,blas_threads.py clean.py exactly_once.py faults.py folder_fuzz.py freed.py fuzz.py interrupts.py \
	leaving.py losses.py memory.py neighbours.py nesting.py places.py pools.py room.py schedules.py \
	shared_memory.py shortage.py soak.py streaming.py written_at_once.py))
ROUNDS := 20

# The cheapest test files that together reach every package, for `make test-quick`.
QUICK := $(addprefix tests/test_,advice.py cache.py cli_data.py costs.py explain.py frames.py futures.py hints.py history.py \
	identity.py inside.py layers.py optimizer.py options.py overhead.py prediction.py \
	project.py shape.py speedup_over_loop.py startup.py strategies.py time_left.py timeline_rows.py tuner.py words.py \
	worker_number.py written_at_once.py)

# The test files that want the cores to themselves: collecting all others takes 5 s of one core.
CORES = $(shell grep -l 'mark\.cores' tests/test_*.py)

.PHONY: help demo docs test test-quick lint unit test-engines test-all stress bench regret clean

help:
	@echo "make demo      set up, then run the main job on real input (examples/quickstart.py)"
	@echo "make docs      set up, then build the site: build/docs/index.html"
	@echo "make test      set up, then check format, lint, types and run all tests"
	@echo "make test-quick  format, lint and some tests of each package: a minute"
	@echo "make lint      format, lint and types only"
	@echo "make unit      the tests only"
	@echo "make test-all  all of it, and the tests under every other Python from 3.11 to 3.13 found"
	@echo "make test-engines  install Dask, Ray and MPI, then run the tests on them: 3 minutes"
	@echo "make stress    20 000 calls of every kind, which may leave nothing; then tests of processes,"
	@echo "               faults and streams $(ROUNDS) times, each time in another order; then all"
	@echo "               tests in two processes at once, in any order: about an hour"
	@echo "make regret    compare the policy with hindsight in simulated worlds: 20 minutes"
	@echo "make bench     compare with other libraries: long, and wants a quiet machine"
	@echo "make clean     remove what the others made"

demo: $(VENV)/.installed
	@$(BIN)/python examples/quickstart.py

# A warning, such as a link that leads nowhere, is an error. `make test` builds the site as well.
docs: $(VENV)/.installed-docs
	@$(BIN)/python -m sphinx -W --keep-going -q -E -b html docs build/docs
	@echo "the site is there: open build/docs/index.html"

test: lint
	@$(MAKE) --no-print-directory unit

test-quick: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet . || { echo "Lint: mend the above, or try $(BIN)/ruff check --fix ."; exit 1; }
	@$(BIN)/python tests/side_by_side.py -m "not cores and not engines" -q -p no:cacheprovider --no-header $(QUICK) || { \
		echo "A test failed: mend the above; $(BIN)/python -m pytest -k NAME runs one alone."; exit 1; }
	@echo "format, lint and the quick tests: fine; make test checks the types and all the rest"

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet . || { echo "Lint: mend the above, or try $(BIN)/ruff check --fix ."; exit 1; }
	@$(BIN)/mypy --strict --no-error-summary || { echo "Types: mend the above."; exit 1; }
	@echo "format, lint and types: fine"

unit: $(VENV)/.installed-dev
	@$(BIN)/python tests/side_by_side.py -m "not cores and not engines" -q -p no:cacheprovider --no-header || { \
		echo "A test failed: mend the above; $(BIN)/python -m pytest -k NAME runs one alone."; exit 1; }
	@$(BIN)/python -m pytest -m cores -q -p no:cacheprovider --no-header $(CORES) || { \
		echo "A test failed that wants the cores to itself: is the machine busy?"; exit 1; }

# Apart from the others: engines leave threads in the test process, beside which nothing is forked.
test-engines: $(VENV)/.installed-engines
	@$(BIN)/python -m pytest -m engines -q -p no:cacheprovider --no-header tests/test_engines.py tests/test_site_pages.py || { \
		echo "A test failed: mend the above; $(BIN)/python -m pytest -k NAME runs one alone."; exit 1; }

test-all: test
	@own=$$($(BIN)/python -c 'import sys; print("3.%d" % sys.version_info.minor)'); \
	for minor in 3.11 3.12 3.13; do \
		test $$minor != $$own || continue; \
		python=$$(for candidate in python$$minor $(HOME)/.pyenv/versions/$$minor.*/bin/python; do \
			$$candidate -c 'import venv, ensurepip' 2>/dev/null && echo $$candidate && break; done); \
		test -n "$$python" || { echo "Python $$minor: skipped, it is not on this machine"; continue; }; \
		echo "Python $$minor"; \
		$(MAKE) --no-print-directory unit VENV=.venv-$$minor PYTHON=$$python || exit 1; \
	done

stress: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.soak
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)"; \
		AMORSIZE_TEST_FOLDERS=$$((2000 / $(ROUNDS))) \
		$(BIN)/python -m pytest --shuffle $$round -q -p no:cacheprovider --no-header $(STRESS) || { \
		echo "A test failed: once more with --shuffle $$round"; exit 1; }; \
	done
	@$(BIN)/python -m pytest -n 2 --shuffle $(ROUNDS) -m "not cores and not engines" -q -p no:cacheprovider --no-header

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks.peers

regret: $(VENV)/.installed
	@$(BIN)/python -m benchmarks.regret

clean:
	rm -rf .venv .venv-3.* .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later with venv was found. Install one," \
		"or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# Once per extra, and again whenever pyproject.toml changes.
$(VENV)/.installed: extra =
$(VENV)/.installed-dev: extra = [dev]
$(VENV)/.installed-docs: extra = [docs]
$(VENV)/.installed-bench: extra = [bench]
$(VENV)/.installed-engines: extra = [dev,engines]
$(VENV)/.installed $(VENV)/.installed-dev $(VENV)/.installed-docs $(VENV)/.installed-bench $(VENV)/.installed-engines: pyproject.toml $(VENV)/.created
	@echo "installing amorsize$(extra) into $(VENV)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.$(extra)' || { \
		echo "Installing failed, see above. Is a package index reachable? Then run make again."; exit 1; }
	@touch $@
