# Everything a contributor runs. `make test` is what CI runs; `make demo` shows the main job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
LAB := $(PYTHON) -m lab
ENGINE ?= docker28

.PHONY: help demo test lint unit engine e2e oracle fuzz venv requirements generate format clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

venv: $(STAMP) ## the Python environment, from hash-pinned requirements
$(STAMP): requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lint: venv ## ruff, mypy --strict, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

format: venv ## let ruff write
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: venv ## build the example, push it, pull it and run it, all for real; leaves nothing running
	$(BIN)/python scripts/demo.py

unit: venv ## pure logic: no network, no engine
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest tests/unit -n auto -q

requirements: venv ## refresh the hash-pinned requirement files (needs network)
	$(BIN)/python -m pip install --quiet uv
	cd requirements && for f in runtime dev; do ../$(BIN)/uv pip compile --quiet --upgrade --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --excludes excludes.txt --custom-compile-command 'make requirements' $$f.in -o $$f.txt; done

generate: venv ## write action.yml, the GitLab component and the tables of the docs from the schemas
	$(BIN)/python scripts/generate.py

engine: venv ## builds on real engines: Docker Engine 20.10 and 28.5 (both stores), Podman, registries
	$(LAB) run -- scripts/pytest-twice tests/engine -q -n 2 --dist worksteal

e2e: venv ## the front doors: CLI, act, gitlab-ci-local, on Docker Engine 20.10 and registries
	$(LAB) run -- scripts/pytest-twice tests/e2e -q

conformance: venv ## parser, shell words, ignore rules and builds on ENGINE against recorded results of BuildKit
	$(BIN)/python scripts/conformance.py --engine $(ENGINE)

oracle: venv ## the parser against BuildKit's own on 10,000 generated Dockerfiles
	$(BIN)/python scripts/oracle.py --count 10000

fuzz: venv ## ten minutes of hostile texts for parser, checks, expansion and ignore rules
	nice $(BIN)/python scripts/fuzz.py --minutes 10

test: lint unit engine e2e ## everything CI runs

clean: ## remove what the above made in this folder
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
