# Everything a developer or an operator of one machine types. `make` alone lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install_postgresql install_parquet install_dev lock start_server stop_server shutdown purge_all \
	submit_flow_data \
	get_flow_data send token prune backup restore run_test test check api_check client client_check format screenshot \
	bench soak deploy_check \
	build-WriteFunction build-ReadFunction build-PruneFunction

PYTHON ?= python3
# Not ?=: what an environment happens to call VENV is not ours to remove.
VENV := .venv
BIN := $(VENV)/bin
# The locks name everything. Left to look for more, pip takes a pinned coverage for no coverage[toml] once there is a newer.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps
# pip says at length that there is no network, and names whichever package it asked for first.
define install_packages
	@said=$$($(1) --requirement $(2) 2>&1) || { case "$$said" in \
		*"onnection broken"*|*"Max retries exceeded"*) \
			echo "The packages cannot be downloaded: is there a network? Run make again once there is one." ;; \
		*) echo "$$said" ;; esac >&2; exit 1; }
endef

# What the functions run on, as template.yaml says. Whatever Python builds, the packages are for this one.
LAMBDA_PYTHON := 3.13
LAMBDA_PIP := --implementation cp --python-version $(LAMBDA_PYTHON) --platform manylinux_2_28_aarch64 \
	--platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z_]+:.*## / { line = sprintf("  %-18s %s\n", $$1, $$2); \
		if (sub(/Dev: /, "", line)) developers = developers line; else users = users line } \
		END { printf "To run the service:\n%s\nTo work on it:\n%s", users, developers }' $(MAKEFILE_LIST)

# PostgreSQL's driver is installed where DATABASE_URL asks for it.
install: $(VENV)/.installed $(if $(filter postgres%,$(DATABASE_URL)),$(VENV)/.installed_postgresql)
install: ## Make .venv from requirements.lock, where it is missing or out of date

$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; name one: make PYTHON=...")'
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	$(call install_packages,$(PIP),requirements.lock)
	@touch $@

install_postgresql: $(VENV)/.installed_postgresql ## install, with PostgreSQL's driver

$(VENV)/.installed_postgresql: $(VENV)/.installed requirements-functions.lock
	$(call install_packages,$(PIP),requirements-functions.lock)
	@touch $@

install_parquet: $(VENV)/.installed_parquet ## install, with what answers in Parquet and Arrow need

$(VENV)/.installed_parquet: $(VENV)/.installed requirements-parquet.lock
	$(call install_packages,$(PIP),requirements-parquet.lock)
	@touch $@

$(VENV)/.installed_agent: $(VENV)/.installed requirements-agent.lock
	$(call install_packages,$(PIP),requirements-agent.lock)
	@touch $@

install_dev: $(VENV)/.installed_dev ## Dev: Install into .venv what tests and checks need too

$(VENV)/.installed_dev: $(VENV)/.installed requirements-dev.lock
	$(call install_packages,$(PIP),requirements-dev.lock)
	@touch $@

UV_COMPILE := $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade

lock: ## Dev: Pin anew what pyproject.toml asks for
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	@$(UV_COMPILE) pyproject.toml --output-file requirements.lock
	@$(UV_COMPILE) --group dev pyproject.toml --output-file requirements-dev.lock
	@for group in functions agent parquet client deploy; do \
		$(UV_COMPILE) --group $$group --output-file requirements-$$group.lock || exit 1; \
	done
	@rm -rf $(VENV)-lock

start_server: install ## Serve on http://127.0.0.1:8080 until Ctrl-C
	@exec $(BIN)/python -m local

stop_server: ## End the server that server.pid names
	@if [ -x $(BIN)/python ]; then exec $(BIN)/python -m local.stop; else echo "Nothing to stop: nothing is installed."; fi

shutdown: stop_server ## stop_server, then remove .venv and server.log, but never the database
	@rm -rf $(VENV) $(VENV)-client $(VENV)-deploy && rm -f server.log server.log.[0-9] \
		&& echo "Removed $(VENV) and server.log. The database stays; the next start downloads the packages again (140 MB installed)."

purge_all: install ## stop_server, then remove every stored flow of the SQLite database; FORCE=1 keeps no copy
	@exec $(BIN)/python -m local.purge $(if $(filter 1,$(FORCE)),--force)

prune: install ## Remove hours older than KEEP_HOURS, beside a running server, or an hour or day: make prune HOUR=2026-11-24
	@exec $(BIN)/python -m local.prune $(if $(HOUR),--hour "$(HOUR)")

backup: install ## Copy the SQLite database beside a running server: make backup TO=copy.db
	@exec $(BIN)/python -m local.backup $(if $(TO),"$(TO)")

restore: install ## Put a copy in the database's place, and keep what was there: make restore FROM=copy.db
	@exec $(BIN)/python -m local.restore $(if $(FROM),"$(FROM)")

submit_flow_data: ## POST the sample, local/samples/test_data1.json
	@local/post_request.sh local/samples/test_data1.json

get_flow_data: ## GET the sums of an hour: make get_flow_data HOUR=2
	@local/get_request.sh "hour=$(or $(HOUR),1)"

token: install ## Make a token and print it this once: make token NAME=web-1 ROLE=write (read, write or admin)
	@exec $(BIN)/python -m local.token $(if $(NAME)$(ROLE),"$(NAME)" "$(ROLE)")

send: $(VENV)/.installed_agent ## Send the flow records in files, each once: make send FILE="a.json b.csv.gz" URL=...
	@exec $(BIN)/python -m local.agent $(FILE) --url $(or $(URL),http://127.0.0.1:$(or $(PORT),8080))$(if $(TOKEN_FILE), --token-file $(TOKEN_FILE))

# A part of the tests covers a part of the code, so only the whole is measured.
run_test: install_dev ## Dev: Run the tests, with coverage, or some: make run_test ARGS="tests/test_x.py -k y"
	@$(BIN)/python -m pytest $(or $(ARGS),--cov --cov-report=term-missing)

test: run_test ## Dev: The same as run_test

check: install_dev ## Dev: Check format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

api_check: install_dev ## Dev: Ask a server for all that /openapi.json says, with schemathesis: make api_check SEED=1
	@$(BIN)/python -m tests.api_check $(SEED)

format: install_dev ## Dev: Put the code into its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

screenshot: install_dev ## Dev: Take local/dashboard/screenshot.png anew; it takes Chromium
	@$(BIN)/python -m tests.screenshot

bench: install_dev ## Dev: Measure speed and memory against the limits of this machine
	@$(BIN)/python -m tests.bench

soak: install_dev ## Dev: Throw mutated requests at a server, and kill others: make soak MINUTES=10
	@$(BIN)/python -m tests.soak $(or $(MINUTES),10)

$(VENV)-client/.installed: requirements-client.lock
	@echo "Installing into $(VENV)-client ..."
	@$(PYTHON) -m venv $(VENV)-client
	$(call install_packages,$(VENV)-client/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps,$<)
	@touch $@

# It says at length that it makes no use of bodies that are not JSON.
client: export PATH := $(abspath $(VENV)-client/bin):$(PATH)
client: $(VENV)-client/.installed ## Make a typed Python client of a running server: make client URL=... TO=flows_client
	@said=$$(openapi-python-client generate --url $(or $(URL),http://127.0.0.1:$(or $(PORT),8080))/openapi.json \
		--meta none --overwrite --output-path $(or $(TO),flows_client) 2>&1) || { echo "$$said"; exit 1; }
	@echo "The client is in $(or $(TO),flows_client)."

client_check: install_dev $(VENV)-client/.installed ## Dev: Make a client, check its types, and let it do what the README shows
	@$(BIN)/python -m tests.client_check

# In an environment of its own. The lock names everything; to pip, a pinned boto3[crt] is no boto3.
$(VENV)-deploy/.installed: requirements-deploy.lock
	@echo "Installing into $(VENV)-deploy ..."
	@$(PYTHON) -m venv $(VENV)-deploy
	$(call install_packages,$(VENV)-deploy/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps,$<)
	@touch $@

# The linter wants to know a region, and asks nothing of it.
deploy_check: export AWS_DEFAULT_REGION ?= us-east-1
deploy_check: export SAM_CLI_TELEMETRY := 0
deploy_check: install_dev $(VENV)-deploy/.installed ## Dev: Check template.yaml, and build and try the functions' bundle
	@$(VENV)-deploy/bin/cfn-lint template.yaml
	@$(VENV)-deploy/bin/sam validate --lint
	@$(VENV)-deploy/bin/sam build
	@$(BIN)/python -m tests.bundle .aws-sam/build

# `sam build` calls these with ARTIFACTS_DIR, the folder that becomes the bundle. Bytecode saves half the time of the
# imports, and only the Python that will read it can make it. It is not checked by the files' times, which zipping changes.
build-WriteFunction build-ReadFunction build-PruneFunction:
	@$(PYTHON) -m pip --disable-pip-version-check --quiet install --require-hashes --no-compile --only-binary :all: $(LAMBDA_PIP) \
		--target "$(ARTIFACTS_DIR)" --requirement requirements-functions.lock
	@cp -R handlers storage $(wildcard certs) "$(ARTIFACTS_DIR)"
	@rm -rf "$(ARTIFACTS_DIR)/bin" "$(ARTIFACTS_DIR)/playhouse" "$(ARTIFACTS_DIR)"/zstandard/_cffi*
	@find "$(ARTIFACTS_DIR)" -name __pycache__ -prune -exec rm -rf {} +
	@! $(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(LAMBDA_PYTHON)")' \
		|| $(PYTHON) -m compileall -q --invalidation-mode unchecked-hash -s "$(ARTIFACTS_DIR)" -p /var/task "$(ARTIFACTS_DIR)"
