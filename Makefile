# Brings what it needs into .venv: only Python 3.11+ with venv, git and make have to be there.
PYTHON ?= python3
BIN = .venv/bin
export UV_SYSTEM_CERTS ?= true
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python

WORKERS = auto
TESTS = $(BIN)/python -m pytest --ignore=tests/runner --ignore=tests/real --numprocesses=$(WORKERS) --dist=worksteal --quiet

.PHONY: demo test test-slow test-all storm hostile bench simulate scale schemas reference picture site dist release check clean

demo: .venv/runtime  ## Watch a two-round loop with the embedded agent: no key, no network
	$(BIN)/python -P -m loop_kit demo

test: .venv/dev  ## Run the fast tests: an answer in about two minutes
	$(TESTS) --tier=fast

test-slow: .venv/dev  ## Run the others
	$(TESTS) --tier=slow

test-all: test test-slow  ## Run all tests but those that .ci/run installs programs for

storm: .venv/dev  ## Kill loops at every crash point there is, with the races and faults: about an hour
	$(TESTS) --tier=storm --storm=full

HOSTILE =
hostile: .venv/dev  ## Attack an installed copy: HOLDS or BREAKS for each row of the threat model
	$(BIN)/python -m tests.hostile $(HOSTILE)

EXAMPLES = 5000
fuzz: .venv/dev  ## Try so many texts on each parser of what comes from outside, drawn anew
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest --numprocesses=auto --timeout=0 --quiet tests/test_fuzz.py

BENCH =
bench: .venv/dev .venv/peer/ready  ## Measure it beside agent-task-runner and a shell script
	$(BIN)/python -m benchmarks --peer .venv/peer/bin/loop $(BENCH)

SIMULATE =
simulate: .venv/dev .venv/peer/ready  ## Simulate loops under every policy, and write docs/convergence.md
	$(BIN)/python -m tests.simulation --python .venv/peer/bin/python $(SIMULATE)

scale: .venv/dev  ## Simulate organisations with thousands of loops, and write docs/scale.md
	$(BIN)/python -m tests.scale

schemas: .venv/dev  ## Write docs/schemas/: cards, reports, state and configuration as JSON Schema
	mkdir -p docs/schemas
	for kind in card work-report review-report state config; do \
	  $(BIN)/loop schema $$kind > docs/schemas/$$kind.json || exit 1; done

reference: .venv/dev  ## Write docs/reference.md and docs/troubleshooting.md (every message) from the code
	$(BIN)/python -m tests.reference
	$(BIN)/python -m tests.troubleshooting

picture: .venv/dev  ## Draw what docs/images/ holds: the pull request of the README from tests/core/forge/posts, and the diagrams
	$(BIN)/python -m tests.picture

site: .venv/site  ## Build the documentation as a site into site/; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 .venv/site/bin/mkdocs build --clean

dist: .venv/dev  ## Build the wheel and the source distribution into dist/
	rm -rf build dist && mkdir build
	git archive HEAD | tar -x -C build
	$(BIN)/python .ci/release.py readme > build/README.md
	cd build && ../$(BIN)/python -m hatchling build --directory ../dist

VERSION =
release: .venv/dev  ## Commit and tag a release, and say how to publish it: make release VERSION=0.2.0
	$(BIN)/python .ci/release.py make $(VERSION)

check: .venv/dev  ## Run the linters and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms src/loop_kit/defaults/github/issue_form.yml .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	env -u GH_TOKEN -u GITHUB_TOKEN $(BIN)/zizmor --offline --config .github/zizmor.yml --strict-collection --no-progress --persona=pedantic action.yml .github/workflows/*.yml .github/dependabot.yml examples/*.yml

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	PIP_CERT="$${PIP_CERT:-$$($(PYTHON) src/loop_kit/adapters/runner/certificates.py)}" $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.lock

.venv/runtime: requirements.lock | .venv/bin/uv
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(BIN)/python -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'loop_kit.pth').write_text(str(pathlib.Path('src').resolve()))"
	@touch $@

.venv/dev: .ci/requirements-dev.lock pyproject.toml | .venv/bin/uv
	$(INSTALL) --require-hashes --requirement .ci/requirements-dev.lock
	rm -f .venv/lib/python*/site-packages/loop_kit.pth
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/site: .ci/requirements-docs.lock | .venv/bin/uv
	$(BIN)/uv venv --quiet --clear .venv/site
	$(BIN)/uv pip install --quiet --python .venv/site/bin/python --require-hashes --requirement .ci/requirements-docs.lock
	touch .venv/site

.venv/peer/ready: benchmarks/requirements.lock | .venv/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/peer
	$(BIN)/uv pip install --quiet --python .venv/peer/bin/python --require-hashes --requirement benchmarks/requirements.lock
	@touch $@
