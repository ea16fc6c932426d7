# The commands of blockbook; CI runs the same ones.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
INSTALLED := .venv/installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: html dist test test-build accept lint mutants bench serve live clean

html: $(INSTALLED) ## build both languages into build/html
	@$(BIN)/python docs/build.py

dist: $(INSTALLED) ## build, and make the book as PDF and EPUB and the zips in build/dist; needs Chromium
	@$(BIN)/python docs/build.py --dist

test: html ## run the package's tests, every doctest and the checks on the built pages
	@$(BIN)/pytest --doctest-modules --cov -n auto --dist worksteal -m "not build"

test-build: $(INSTALLED) ## test the build itself on small sites: faults, hosting, downloads; stop it at thirty random moments
	@$(BIN)/pytest -n auto --dist worksteal -m build

accept: html ## rewrite the transcripts, and show what changed
	@$(BIN)/pytest tests/test_pages.py -k transcript -q --snapshot-update
	@git --no-pager diff --stat --patch -- tests/transcripts

lint: $(INSTALLED) ## check style, types and spelling
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/codespell

mutants: $(INSTALLED) ## change one thing at a time in a copy, and list what no check notices; KINDS="prose_word package"
	@$(BIN)/python tests/mutants.py $(KINDS)

bench: html ## time builds and blocks beside others, and measure the site, about twenty minutes
	@$(BIN)/python bench/blocks.py
	@$(BIN)/python bench/build.py
	@$(BIN)/python bench/site.py

serve: html ## read the site at http://127.0.0.1:8000
	@echo "Serving on http://127.0.0.1:$(PORT)/ (Ctrl-C stops)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory build/html >/dev/null

live: $(INSTALLED) ## serve at http://127.0.0.1:8000, build on save and reload the pages that are open
	@$(BIN)/python docs/build.py --live $(PORT)

clean: ## remove what was built; the virtual environment stays
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

# --clear: what an older lock installed must not stay behind
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "blockbook needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "blockbook needs Python's venv; $(PYTHON) has none. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing what requirements.lock pins into .venv (about a minute)"
	@$(PYTHON) -m venv --clear .venv
	@{ $(PIP) -r requirements.lock && $(PIP) --no-deps --no-build-isolation --editable .; } >.venv/pip.log 2>&1 || \
		{ cat .venv/pip.log; exit 1; }
	@touch $@
