# The menu. Every target prepares .venv by itself; only Python 3.11+ and make are needed.
#   PORT=9000 make demo         another port (default: 8000, or the next free one)
#   make demo APPS=dataverse    Business Central and Dataverse instead of two databases
#   PYTHON=python3.13 make test another interpreter for .venv
#   PYTEST_ARGS="-k retry"      more arguments for pytest (-n 0: one process, output as it comes)

PYTHON ?= python3
PYTEST_ARGS ?=
PY = .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset test check fmt bench picture lock venv

help: ## show this menu
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: venv ## start everything with two demo apps; Ctrl-C ends it, PORT= and APPS= choose
	@APPS='$(APPS)' exec $(PY) -m tandem.runtime demo --end-with-parent

demo-reset: venv ## forget the demo's data (that of APPS=); the next make demo starts afresh
	@APPS='$(APPS)' exec $(PY) -m tandem.runtime demo-reset

test: venv ## run every test; PYTEST_ARGS= for more arguments
	@exec $(PY) -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: venv ## formatting, lint, types, architecture, migrations, Django's own checks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	TANDEM_BUILDING=1 $(PY) -m mypy
	$(PY) -m pytest -q tests/test_architecture.py
	$(PY) -m tandem.runtime run --profile check -- $(PY) manage.py makemigrations --check --dry-run
	$(PY) -m tandem.runtime run --profile check -- $(PY) manage.py check --fail-level WARNING

fmt: venv ## format and sort imports
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

bench: venv ## measure the engine, runs between databases and OData services, and the lists
	@exec $(PY) -m tandem.runtime run --profile bench -- $(PY) -m bench

picture: venv ## draw docs/console.webp from the demo that runs
	@$(PY) scripts/picture

lock: venv ## renew requirements*.lock from pyproject.toml (needs uv)
	@scripts/lock

# Quick when nothing changed: the lock that .venv was made from is kept inside it.
venv:
	@if .venv/bin/python -c '' 2>/dev/null && cmp -s requirements.lock .venv/installed.lock; then exit 0; fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Tandem needs Python 3.11 or newer; name one with PYTHON=python3.12 make ..." >&2; exit 1; }; \
	echo "Installing into .venv (once, about a minute) ..."; \
	.venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; $(PYTHON) -m venv .venv; } || { \
	  echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
	  --require-hashes -r requirements.lock || { \
	  echo "Installing failed; the lines above say why." >&2; exit 1; }; \
	cp requirements.lock .venv/installed.lock
