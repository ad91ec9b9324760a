# All that is needed is Python 3.11 or later and make. `make crawl` first, `make test` before a change lands.

PYTHON ?= python3
RUN ?= runs/first
BIN := .venv/bin
SEEDS ?= 1

.PHONY: crawl test test-all lint bench bench-sandbox flips lock bench-certificates bench-frontier bench-requests bench-limits fuzz sim crash bench-durability bench-start budgets

crawl: .venv/installed  ## crawl the sandbox from seeds/ (or the service, when credentials are set) into runs/first
	$(BIN)/crawler crawl $(RUN) --config config.toml --seeds seeds/first.txt

test: .venv/installed-test lint  ## everything quick that must hold
	$(BIN)/pytest -q -m "not slow"

test-all: .venv/installed-test lint  ## and everything slow
	$(BIN)/pytest -q

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-certificates: .venv/installed-test  ## how often a certificate tells the truth, over 100,000 lists of a service that lies
	$(BIN)/python benchmarks/certificates.py --lists 100000

SECONDS ?= 3600
fuzz: .venv/installed-test  ## feed the parsers whatever bytes find new ways through them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	$(BIN)/python benchmarks/fuzz.py --seconds $(SECONDS)

flips: .venv/installed-test  ## damage runs ten thousand times; every damage must be found or without effect
	$(BIN)/python -m tests.dataset.flips 10000

KILLS ?= 500
crash: .venv/installed-test  ## kill the real crawl 500 times, anywhere, and compare; make crash KILLS=50 SEED=7
	$(BIN)/python -m tests.crash.kills --kills $(KILLS) $(if $(SEED),--seed $(SEED))

bench-durability: .venv/installed-test  ## pages a second with and without syncs, in one run
	$(BIN)/python benchmarks/durability.py

bench-start: .venv/installed-test  ## from a kill to the first request, with ten million nodes in the frontier
	$(BIN)/python benchmarks/start.py

sim: .venv/installed-test  ## simulate crawls on virtual time: make sim SEED=7, or SEED=0 SEEDS=1000
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) --seeds $(SEEDS)

bench: .venv/installed-test .venv/rivals/installed  ## pages a second beside a bare loop, Scrapy and crawlee; takes some minutes on an idle machine
	$(BIN)/python benchmarks/pipeline.py --rivals .venv/rivals/bin/python
	$(BIN)/python benchmarks/pipeline.py --gzip

bench-frontier: .venv/installed-test  ## pages a second, memory, commits and starts with 100 thousand to 10 million nodes
	$(BIN)/python benchmarks/frontier.py

budgets: .venv/installed-test  ## ten thousand random schedules of budget, kill and clock jump
	$(BIN)/python -m tests.simulation.schedules 10000

bench-requests: .venv/installed-test  ## requests per new edge, beside a naive crawl's and an oracle's
	$(BIN)/python benchmarks/requests.py

bench-limits: .venv/installed-test .venv/rivals/installed  ## ten hidden limits on virtual time, and two in real time beside Scrapy and crawlee
	$(BIN)/python benchmarks/limits.py
	$(BIN)/python benchmarks/limits_beside.py --rivals .venv/rivals/bin/python

bench-sandbox: .venv/installed-test  ## how many pages a second the sandbox serves from one core
	$(BIN)/python benchmarks/sandbox.py

# An own environment, filled from the lock: every file that is installed has its hash there.
.venv/made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/made requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/installed-test: .venv/installed requirements-test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	touch $@

# What the benchmarks compare with has an environment of its own; the project needs none of it.
.venv/rivals/installed: .venv/made benchmarks/rivals/requirements.lock
	$(PYTHON) -m venv .venv/rivals
	.venv/rivals/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    -r benchmarks/rivals/requirements.lock
	touch $@

# For maintainers: choose versions anew. Needs uv.
lock:
	uv pip compile pyproject.toml --group build --universal --generate-hashes --no-annotate --no-header --upgrade \
	    --python-version 3.11 --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --group test --universal --generate-hashes --no-annotate --no-header --upgrade \
	    --python-version 3.11 --quiet --constraint requirements.lock --output-file requirements-test.lock
	uv pip compile benchmarks/rivals/requirements.in --universal --generate-hashes --no-annotate --no-header --upgrade \
	    --python-version 3.11 --quiet --output-file benchmarks/rivals/requirements.lock
