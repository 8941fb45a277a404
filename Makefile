# The commands of the project. `make help` lists them; each sets up what it needs and can be run again.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON3 ?= python3
PYTHON := .venv/bin/python
RUN := $(or $(IMAGING_RUN_DIR),.run)
LOCALLY := --environment "$(RUN)/aws/ready.json"
SETUP := $(PYTHON3) tools/bootstrap.py
export PYTHONUNBUFFERED := 1
unexport PYTHONDONTWRITEBYTECODE # without bytecode each process compiles the SDKs again: 10 s for Pulumi's and SageMaker's
PATIENTS ?= 100
SLICES ?= 2
SEED ?= 7
STACK ?= prod

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## make every environment, the Lambda layers and the Pulumi CLI (the other commands do it themselves)
	@$(SETUP)

.PHONY: setup-unit
setup-unit:
	@$(SETUP) project lambda layers

.PHONY: demo
demo: setup ## the main job: bring the stack up and take real DICOM all the way to a deployed model
	@$(PYTHON) -m local demo --patients $(PATIENTS) --slices $(SLICES) --seed $(SEED) $(DEMO_OPTIONS)

.PHONY: load-test
load-test: setup ## many images at once through the local stack, none lost, none twice: make load-test FILES=1000 (ONE_BY_ONE=1: seconds a file)
	@$(PYTHON) -m bench.workflow --files $(or $(FILES),1000) $(if $(ONE_BY_ONE),--one-by-one)

.PHONY: train
train: setup-quiet ## train on a cohort of your own: make train COHORT=DIR [FAST=1] [JSON=1]
	@$(PYTHON) -m local train "$(or $(COHORT),$(error say which cohort: make train COHORT=DIR, a folder of DICOM studies with labels.csv))" $(if $(FAST),--fast) $(if $(JSON),--json)

.PHONY: setup-quiet
setup-quiet:
	@$(SETUP) >&2

.PHONY: up
up: setup ## bring the stack `local` up (again: only what changed)
	@$(PYTHON) -m local up

.PHONY: down
down: ## end the embedded AWS and remove everything that the local stack made
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down; else rm -rf "$(RUN)"; fi

.PHONY: destroy-local
destroy-local: ## delete the local stack's resources one by one through the engine
	@$(PYTHON) -m local destroy

.PHONY: outputs
outputs: ## print the local stack's outputs, demo users and client environment as JSON
	@$(PYTHON) -m local outputs

.PHONY: breach-drill
breach-drill: up ## a sample GuardDuty finding on the local stack: isolated, evidence locked, list told, report with deadlines
	@$(PYTHON) -m local outputs | $(PYTHON) -m tools.drills breach

.PHONY: drift-drill
drift-drill: up ## with a model in service: other patients are no drift, images 150 HU brighter are one, and people are told
	@$(PYTHON) -m local outputs | $(PYTHON) -m tools.drills drift

.PHONY: restore-drill
restore-drill: up ## tables back from point-in-time recovery, objects from their versions, on the local stack
	@$(PYTHON) -m local outputs | $(PYTHON) -m tools.drills restore

.PHONY: doctor
doctor: ## what is wrong with this machine and its local stack, and what to do: make doctor [JSON=1]
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m operations.doctor $(if $(JSON),--json); else $(PYTHON3) -m operations.doctor $(if $(JSON),--json); fi

doctor-%: setup-unit-quiet ## doctor-prod, ...: a live stack from inside and, with OUTSIDE=1, as a stranger sees it
	@$(PYTHON) -m operations.doctor --stack $* $(if $(OUTSIDE),--outside) $(if $(JSON),--json)

.PHONY: setup-unit-quiet
setup-unit-quiet:
	@$(SETUP) project >&2

.PHONY: model-drill
model-drill: up ## a champion, its test set locked, a worse challenger refused, a better one promoted, a rollback; every step on record
	@$(PYTHON) -m tools.model_drill

monitor-%: setup-unit-quiet ## monitor-prod, ...: what a stack is doing now, until Ctrl-C (monitor-local: this machine's)
	@$(PYTHON) -m operations $(if $(filter local,$*),$(LOCALLY)) monitor --stack $*

follow-%: setup-unit-quiet ## follow-prod, ...: the newest training run as it goes, steps and epochs, until it ends
	@$(PYTHON) -m operations $(if $(filter local,$*),$(LOCALLY)) follow --stack $*

.PHONY: follow
follow: follow-local ## the same on this machine

.PHONY: console
console: up ## a page about the local stack: the way of one image, alarms, why IAM denies, resources; until Ctrl-C
	@$(PYTHON) -m operations $(LOCALLY) console --stack local --state "$(RUN)"/state/.pulumi/stacks/healthcare-imaging-mlops/local.json

deploy-%: setup-unit-quiet ## deploy-dev, ...: look for drift and save a plan; with CONFIRM=yes apply that plan (for a team CI does it)
	@$(PYTHON) -m gitops $(if $(filter yes,$(CONFIRM)),apply,plan) --stack $* --commit "$$(git rev-parse HEAD)"
	@$(if $(filter yes,$(CONFIRM)),,echo "nothing was changed: read build/gitops, then make deploy-$* CONFIRM=yes")

unlock-%: setup-unit-quiet ## unlock-prod, ...: who holds a stack's lock; a dead run's is taken by CONFIRM=yes REASON="..." (FORCE=yes: any)
	@$(PYTHON) -m $(if $(filter local,$*),local unlock,operations unlock --stack $*) $(if $(filter yes,$(CONFIRM)),--confirm) $(if $(filter yes,$(FORCE)),--force)

keys-%: setup-unit-quiet ## keys-prod, ...: does every KMS key rotate; KEY=phi (or all) with CONFIRM=yes rotates it now
	@$(PYTHON) -m operations $(if $(filter local,$*),$(LOCALLY)) keys --stack $* $(if $(filter yes,$(CONFIRM)),--confirm) $(if $(JSON),--json)

rekey-%: setup-unit-quiet ## rekey-prod, ...: a new data key for the secrets in a stack's state and file: CONFIRM=yes REASON="..."
	@$(PYTHON) -m operations rekey --stack $* $(if $(PROVIDER),--provider "$(PROVIDER)") $(if $(filter yes,$(CONFIRM)),--confirm)

destroy-%: ## destroy-dev, ...: delete a stack's resources; the engine asks, and keeps what is protected
	@pulumi destroy --stack $*

.PHONY: reconcile
reconcile: setup ## compare every stage of the local stack's ingestion, and drive again what stopped
	@$(PYTHON) -m operations $(LOCALLY) reconcile --stack local --full

.PHONY: redrive
redrive: setup ## send the local stack's dead letters and failed executions again
	@$(PYTHON) -m operations $(LOCALLY) redrive --stack local

.PHONY: preview
preview: setup-preview ## preview a stack offline with the policy pack: make preview STACK=prod
	@$(PYTHON) -m local preview $(STACK)

preview-%: setup-preview ## preview-dev, preview-staging, preview-prod: the same by name
	@$(PYTHON) -m local preview $*

.PHONY: compare
compare: setup-preview ## what differs from another checkout in a stack, offline: make compare STACK=prod BASE=DIR
	@mkdir -p build/compare
	@cd "$(or $(BASE),$(error say which checkout to compare with: make compare BASE=DIR))" && $(MAKE) --no-print-directory setup-preview >&2
	@cd "$(BASE)" && $(PYTHON) -m local preview $(STACK) --json > "$(CURDIR)/build/compare/base.json"
	@code=0; $(PYTHON) -m local preview $(STACK) --json > build/compare/head.json || code=$$?; \
	  $(PYTHON) -m cost difference --stack $(STACK) --base build/compare/base.json --head build/compare/head.json --json \
	    > build/compare/cost.json || true; \
	  $(PYTHON) -m gitops compare --stack $(STACK) --commit "$$(git rev-parse HEAD)" --base build/compare/base.json \
	    --head build/compare/head.json --cost build/compare/cost.json > build/compare/$(STACK).md || code=$$?; \
	  tee -a "$${GITHUB_STEP_SUMMARY:-/dev/null}" < build/compare/$(STACK).md; exit $$code

.PHONY: cost
cost: ## what a stack costs a month, from its offline preview: make cost STACK=prod [USAGE=FILE] [JSON=1]
	@$(MAKE) --no-print-directory setup-preview >&2
	@mkdir -p build/cost
	@$(PYTHON) -m local preview $(STACK) --json > build/cost/$(STACK).json
	@$(PYTHON) -m cost bill --stack $(STACK) --preview build/cost/$(STACK).json $(if $(USAGE),--usage "$(USAGE)") $(if $(JSON),--json)

.PHONY: cost-document
cost-document: setup-preview ## take the inventory of prod for the prices again, and write docs/COST.md
	@mkdir -p build/cost
	@$(PYTHON) -m local preview prod --json > build/cost/prod.json
	@$(PYTHON) -m local preview prod --json > build/cost/complete.json \
	  $(foreach value,$(shell cat cost/inventory/complete.config),--config 'healthcare-imaging-mlops:$(value)') || true
	@$(PYTHON) -m cost write --preview build/cost/prod.json --complete build/cost/complete.json

.PHONY: checkov
checkov: setup-preview ## what checkov says of a stack, and what is waived with a reason: make checkov STACK=prod
	@$(SETUP) check
	@$(PYTHON) -m tools.checkov $(STACK)

.PHONY: scan-tools
scan-tools:
	@$(SETUP) scan

.PHONY: lint-workflows
lint-workflows: scan-tools setup-unit-quiet ## the workflows: schema, security, actionlint with shellcheck
	@.venvs/scan/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venvs/scan/bin/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@.venvs/scan/bin/zizmor --offline --no-progress .github
	@actionlint="$$($(PYTHON) -m tools.go_tool actionlint)" && PATH="$(CURDIR)/.venvs/scan/bin:$$PATH" "$$actionlint"

CHARTS := api frame-proxy
.PHONY: lint-charts
lint-charts: scan-tools setup-unit-quiet ## the Helm charts: lint, render, and each manifest against Kubernetes' own schemas
	@mkdir -p build/charts
	@helm="$$($(PYTHON) -m tools.go_tool helm)" && for chart in $(CHARTS); do \
	  "$$helm" lint --quiet --strict charts/$$chart --values charts/$$chart/example.yaml 2>/dev/null && \
	  "$$helm" template prod charts/$$chart --kube-version 1.33.0 --values charts/$$chart/example.yaml \
	    > build/charts/$$chart.yaml 2>build/charts/$$chart.log && \
	  .venvs/scan/bin/kubernetes-validate -k 1.33 --strict build/charts/$$chart.yaml \
	  || { cat build/charts/$$chart.log; exit 1; }; done
	@$(PYTHON) -m pytest -q tests/unit/charts

.PHONY: security-scan
security-scan: scan-tools lint-workflows ## known vulnerabilities, secrets, licences and SBOM of every lock file; in build/scan
	@PATH="$(CURDIR)/.venvs/scan/bin:$$PATH" $(PYTHON) -m tools.security_scan

.PHONY: validate-local
validate-local: up ## look at the local stack as from outside, then send a canary image through the whole way and out again
	@$(PYTHON) -m operations $(LOCALLY) canary --stack local
	@$(PYTHON) -m local outputs | $(PYTHON) -m tools.validate local --outputs -

validate-%: ## validate-dev, ...: look at a live stack from outside: API, TLS, alarms; CANARY=1 sends an image through, too
	@$(PYTHON) -m tools.validate $* --wait $(or $(WAIT),900)
	@$(if $(CANARY),$(PYTHON) -m operations canary --stack $*)

publish-viewer-%: setup-unit-quiet ## publish-viewer-dev, ...: the viewer's files into a live stack's bucket; what is there already stays
	@$(PYTHON) -m tools.publish_viewer $*

.PHONY: compliance
compliance: setup-preview ## write docs/COMPLIANCE.md, the control matrix, from the policy pack and the program
	@PYTHONPATH=policy $(PYTHON) -m tools.compliance

.PHONY: preview-bootstrap
preview-bootstrap: setup-preview ## preview the bootstrap of an account: make preview-bootstrap STACK=prod
	@$(PYTHON) -m local preview $(STACK) --bootstrap

.PHONY: reference
reference: setup-unit-quiet schemas ## write docs/reference (resources, rights, alarms, events), docs/CONFIGURATION.md and docs/API.md from the code
	@PYTHONPATH=lambdas/shared/src $(PYTHON) -W ignore -m tools.reference

.PHONY: site
site: ## the documents as a site in build/site; fails on a link that leads nowhere
	@$(SETUP) site
	@NO_MKDOCS_2_WARNING=1 .venvs/site/bin/mkdocs build --strict
	@echo "written: build/site/index.html"

.PHONY: setup-preview
setup-preview:
	@$(SETUP) project layers cli --layer-runtimes python3.11,python3.12

.PHONY: sample-dicom
sample-dicom: ## write the semi-synthetic chest CT cohort and the other sample files into .cache/sample-dicom
	@$(SETUP) project
	@$(PYTHON) -m local sample-dicom --patients $(PATIENTS) --slices $(SLICES) --seed $(SEED)

.PHONY: layers
layers: ## build the Lambda layers for both runtimes
	@$(SETUP) project layers --layer-runtimes python3.11,python3.12

.PHONY: test
test: setup setup-preview ## all tests: unit, contract, policy, integration over the whole chain
	@$(PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --ignore=tests/local/chain --ignore=tests/e2e tests
	@$(PYTHON) -m pytest -q tests/local/chain

.PHONY: test-e2e
test-e2e: setup ## a radiologist's browser on a local stack of its own, at desktop and phone size (Debian: apt-get install chromium npm)
	@$(PYTHON) -m pytest -q -rs tests/e2e

.PHONY: test-unit
test-unit: setup-unit ## unit, contract and policy tests only, no stack: two minutes on two cores
	@$(PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not local and not engine and not tensorflow and not thorough and not check" tests

.PHONY: coverage
coverage: setup ## branch coverage of imaging, lambdas and services by their own tests, subprocesses included; fails under 95 %
	@$(PYTHON) -m pytest -q -m "not thorough and not engine and not check" --cov=imaging --cov=lambdas --cov=services --cov-branch --cov-fail-under=95 --cov-report=term:skip-covered --cov-report=html:build/coverage tests/unit/imaging tests/unit/lambdas tests/unit/services

.PHONY: lint
lint: ## formatting, lint, types and the import rules
	@$(SETUP) project
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/pyright
	@PYTHONPATH=lambdas:lambdas/shared/src:policy .venv/bin/lint-imports

.PHONY: schemas
schemas: ## write the schemas of the stack files, docs/CONFIGURATION.md and docs/API.md from the models that check them
	@$(PYTHON) -m tools.configuration write
	@$(PYTHON) -m tools.api_reference

.PHONY: bench
bench: setup ## trials, storage, training and inference beside a peer or a limit, no stack needed; the others: bench/README.md
	@PYTHONPATH=lambdas/shared/src $(PYTHON) -m bench.trial
	@PYTHONPATH=lambdas/shared/src $(PYTHON) -m bench.storage
	@PYTHONPATH=lambdas/shared/src .venvs/train/bin/python -m bench.train
	@PYTHONPATH=lambdas/shared/src .venvs/train/bin/python -m bench.inference --backbone resnet50 --image-size 224

.PHONY: bench-deid
bench-deid: ## de-identification beside pydicom, dicom-anonymizer and dcmanon: speed, leaks, memory (and recall of burned-in text)
	@$(SETUP) bench-deid pixels
	@.venvs/bench-deid/bin/python -W ignore -m bench.deid --json .cache/bench-deid.json
	@.venvs/pixels/bin/python -W ignore -m bench.deid.burned_in --json .cache/bench-burned-in.json

.PHONY: fuzz
fuzz: ## fuzz parser, de-identifier and codestream reader for FUZZ_SECONDS (60) each; the corpus is kept
	@$(SETUP) fuzz
	@.venvs/fuzz/bin/python -W ignore -m tests.fuzz.run

.PHONY: lock
lock: ## compile the lock files again: hashes, no index addresses
	@cd requirements && for name in dev aws lambda train check pixels bench-deid fuzz scan site $$(ls container-*.in service-*.in 2>/dev/null | sed 's,\.in$$,,'); do uv pip compile -q --universal --generate-hashes --python-version 3.11 $$name.in -o $$name.lock; done
	@$(PYTHON) -m tools.licences

.PHONY: clean
clean: down ## down, and remove environments and caches too
	@rm -rf .venv .venvs .cache build
