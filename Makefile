# Everything is set up by the target that needs it, and every target is safe to run again.
#   make demo   the main job on the embedded simulated Internet
#   make test   all tests
#   make lint   types and style
#   make bench-probes   the probe engine against its peers, and README's table of that; under twenty minutes
#   make bench-geodata   look-ups and territory against their peers, and the table of that in geodata/README.md; under five minutes
#   make bench-verdict  verdicts held against what is true, and README's table of that; under twenty minutes
#   make bench-service  the report and the daemon with 10,000 endpoints in the store, and the table of that in config/README.md; under five minutes
#   make alerts dashboards   write the rules and the dashboards in config/ anew from scanner/monitoring
#   make lock   resolve the dependencies anew
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo demo-run test bench-probes bench-geodata bench-verdict bench-service alerts dashboards lint format lock schema clean tools

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 ; do command -v $$p && break ; done)
VENV := .venv
BIN := $(VENV)/bin
# Debian packages that tests run, most of them over the simulated Internet, and the command each brings.
TOOLS := gpg:gpg traceroute:traceroute mtr:mtr-tiny scamper:scamper ip:iproute2 postgres:postgresql promtool:prometheus amtool:prometheus-alertmanager chromium:chromium
bench-probes: TOOLS += fping:fping nmap:nmap

help:
	@sed -n 's/^#   //p' Makefile

$(VENV)/run.stamp: requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sarhad needs Python 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || config/install-packages python3-venv
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "Installing the locked dependencies into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# make has a status of its own, 2, for whatever fails. Only with -q does it know another, 1 for "not as it should
# be", and then it runs just the lines marked +. So that `make demo` ends with sarhad's 1 for violations:
ifeq ($(MAKECMDGOALS),demo)
MAKEFLAGS += -q
endif
demo: demo-run
	$(if $(filter 0,$(shell cat $(VENV)/demo.status)),,$(if $(filter 1,$(shell cat $(VENV)/demo.status)),@exit 1,$(error the demo could not run to its end)))

demo-run:
	+@env -u MAKEFLAGS -u MFLAGS $(MAKE) --no-print-directory $(VENV)/run.stamp
	+@$(BIN)/sarhad demo; echo $$? > $(VENV)/demo.status

tools:
	@missing=(); for pair in $(TOOLS); do \
		PATH="$$PATH:/usr/sbin:/sbin:$$(printf '%s:' /usr/lib/postgresql/*/bin)" command -v "$${pair%%:*}" >/dev/null || missing+=("$${pair##*:}"); \
	done; \
	if [ "$${#missing[@]}" -gt 0 ]; then \
		config/install-packages "$${missing[@]}" || echo "Going on without them: the tests that need them are skipped." >&2; \
	fi

# Tests run side by side, one at a time with make test PYTEST=-n0. Four at once also on two cores, as many wait for
# a network of theirs; who has none left takes over half of another's. What was compiled is kept, whatever the
# environment says: to make the tests' own code anew takes each of the four, and each program they start, seconds.
test: $(VENV)/dev.stamp tools
	@PYTHONDONTWRITEBYTECODE= PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m pytest --numprocesses=4 --dist=worksteal $(PYTEST)

# A peer that cannot be had here is named in the table.
$(VENV)/bench.stamp: $(VENV)/run.stamp requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock \
		|| echo "Going on without the peers from PyPI." >&2
	@touch $@

# What two tests hold OSCAL and OCSF against; they are skipped, with the reason, where it is not installed.
$(VENV)/oscal.stamp: $(VENV)/dev.stamp requirements-oscal.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-oscal.lock \
		|| echo "Going on without what OSCAL is held against." >&2
	@touch $@

bench-probes: $(VENV)/bench.stamp tools
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.bench $(or $(BENCH),--write-readme)

bench-geodata: $(VENV)/bench.stamp
	@$(BIN)/python -m tests.bench.geodata $(or $(BENCH),--write-readme)

bench-verdict: $(VENV)/run.stamp
	@$(BIN)/python -m tests.bench.verdicts $(or $(BENCH),--write-readme)

bench-service: $(VENV)/run.stamp
	@$(BIN)/python -m tests.bench.service $(or $(BENCH),--write-readme)

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/dev.stamp
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

alerts: $(VENV)/run.stamp
	@$(BIN)/python -m scanner.monitoring config

$(VENV)/grafana.stamp: $(VENV)/run.stamp requirements-grafana.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-grafana.lock
	@touch $@

dashboards: $(VENV)/grafana.stamp
	@$(BIN)/python -m scanner.monitoring.dashboards config/grafana/dashboards

schema: $(VENV)/run.stamp
	@mkdir -p config/schema; for name in run observation register; do $(BIN)/sarhad schema $$name > config/schema/$$name.schema.json; done

# One resolution for all supported versions of Python; the development set constrains the other.
lock: $(VENV)/dev.stamp
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile -q pyproject.toml --group dev --group build --universal --python-version 3.11 --generate-hashes --no-header $(LOCK) -o requirements-dev.lock
	@$(BIN)/uv pip compile -q pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock $(LOCK) -o requirements.lock
	@$(BIN)/uv pip compile -q --group bench --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock $(LOCK) -o requirements-bench.lock
	@$(BIN)/uv pip compile -q --group oscal --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock $(LOCK) -o requirements-oscal.lock
	@$(BIN)/uv pip compile -q --group grafana --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock $(LOCK) -o requirements-grafana.lock

clean:
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
