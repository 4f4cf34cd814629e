# Two commands do everything on a fresh machine: `make site` and `make test`.
.PHONY: site test faults check env env-ml assets stores serve bench wheel clean format
VENV := .venv
PY := $(VENV)/bin/python
ASSETS := portal/assets/manifest.json

site: env assets stores ## environment, front end, default collection, finished site
	$(VENV)/bin/portal build --out site

test: env assets stores env-ml ## all tests; finds a browser by itself
	tools/browser.sh
	tools/nginx.sh
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)
	cd frontend && npm test --silent

faults: env assets stores ## kills builds and publishings at 50 random moments; FAULTS_SEED repeats them
	FAULTS_RUNS=$${FAULTS_RUNS:-50} FAULTS_SEED=$${FAULTS_SEED:-$$(date +%s)} $(PY) -m pytest -q -s tests/test_faults.py -k RandomKills

check: env assets ## format, lint, types, front end's types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/pyright
	cd frontend && npm run check --silent

env: $(VENV)/.made
$(VENV)/.made: requirements/dev.txt pyproject.toml tools/env.sh
	tools/env.sh $(VENV)
	touch $@

env-ml: .venv-ml/.made ## what trains the example: torch on Python 3.11; its test skips without it
.venv-ml/.made: requirements/ml.txt pyproject.toml tools/env-ml.sh | env
	-tools/env-ml.sh .venv-ml && touch $@

assets: $(ASSETS)
$(ASSETS): $(wildcard frontend/src/*.js frontend/src/*/*.js frontend/*.mjs) frontend/package-lock.json
	tools/assets.sh
	touch $@

stores: env
	$(PY) -W ignore -m recipes.default_collection --out stores

serve: site
	$(VENV)/bin/portal serve site

bench: env assets stores ## what the README's figures come from
	for b in scan pages view search curation query remote build; do $(PY) -W ignore -m benchmarks.$$b || exit 1; done

wheel: env assets
	$(VENV)/bin/uv build --wheel

format: env
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf site .site.* .portal stores dist portal/assets frontend/node_modules frontend/.cache
