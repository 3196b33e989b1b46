# Everything that a checkout can do. Needs make and a python3 of at least 3.11; `make demo` and `make test`
# also need Debian or Ubuntu, and root or sudo.
.DEFAULT_GOAL := help
.PHONY: help setup setup-boxes setup-vm demo test lint unit boxes vm clean

# Ansible refuses to start without a UTF-8 locale.
export LC_ALL := C.UTF-8
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
# Empty for root. The environment holds mirrors, proxies and certificates; the home folder stays root's own.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env --set-home)
PYTEST := $(BIN)/python -m pytest --durations=15
LOGS ?= build/test-logs

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with dlrig and its development tools

$(STAMP): pyproject.toml tests/bootstrap/venv.sh
	sh tests/bootstrap/venv.sh $(VENV)
	@touch $@

setup-boxes: ## Install the Debian packages that boxes need
	sh tests/bootstrap/boxes.sh

setup-vm: ## Install the Debian packages that virtual machines need
	sh tests/bootstrap/vm.sh

demo: $(STAMP) setup-boxes ## Boot a throwaway rig on this machine, provision it, show its report
	$(SUDO) $(BIN)/dlrig demo

test: lint unit boxes ## All of the tests, on booted boxes too; nothing is skipped

lint: $(STAMP) ## Style, types, playbooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict playbooks $(wildcard .github .pre-commit-config.yaml)
	$(BIN)/ansible-lint --offline

unit: $(STAMP) ## The tests that need no box and no root
	$(PYTEST) tests --ignore tests/boxes --ignore tests/vm -n 2 --dist loadfile

boxes: $(STAMP) setup-boxes ## The tests on booted boxes
	mkdir -p build
	$(SUDO) env DLRIG_REQUIRE_BOXES=1 DLRIG_TEST_LOGS=$(LOGS) PYTHONDONTWRITEBYTECODE=1 \
		$(PYTEST) tests/boxes --tb=short -n 2 --dist loadfile -p no:cacheprovider --timeout 1200 --junit-xml=build/boxes.xml

vm: $(STAMP) setup-vm ## The tests on a virtual machine with a kernel of its own; not part of `make test`
	mkdir -p build
	$(SUDO) env DLRIG_REQUIRE_VM=1 DLRIG_TEST_LOGS=$(LOGS) PYTHONDONTWRITEBYTECODE=1 \
		$(PYTEST) tests/vm --tb=short -p no:cacheprovider --timeout 10800 --junit-xml=build/vm.xml

clean: ## Remove .venv and what tests and builds left; roots of boxes stay in ~/.cache/dlrig/boxes
	rm -rf build 2>/dev/null || $(SUDO) rm -rf build
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
