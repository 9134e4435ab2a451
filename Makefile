# Needs Python 3.11 or newer, git and make; everything else goes into $(VENV).

PYTHON ?= python3
VENV ?= .venv
TEST_WORKERS ?= 2

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
PYTEST := $(BIN)/python -m pytest --numprocesses=$(TEST_WORKERS) --dist=loadfile --no-loadscope-reorder

export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo environments test test-slow test-backends test-jax test-torch verify-serving lint format clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed-demo ## Train, evaluate and use a small model on the built-in corpus
	$(BIN)/keras-attn demo

environments: $(VENV)/.installed-dev .venv-jax/.installed .venv-torch/.installed ## Install what all tests need (make -j)

test: lint ## Check the sources, then run the default tests
	$(PYTEST)

test-slow: $(VENV)/.installed-dev ## Run the tests that take minutes
	$(PYTEST) -m slow

test-backends: test-jax test-torch ## Run layers and models under JAX and PyTorch (make -j2)

test-jax: .venv-jax/.installed ## Run them under JAX
	KERAS_BACKEND=jax .venv-jax/bin/python -m pytest --noconftest tests/backends

test-torch: .venv-torch/.installed ## Run them under PyTorch
	KERAS_BACKEND=torch .venv-torch/bin/python -m pytest --noconftest tests/backends

verify-serving: $(VENV)/.installed-dev .venv-serving/.installed ## Verify the models that ship under the TensorFlow of TF Serving
	for version in saved_models/*/[0-9]*; do $(BIN)/keras-attn verify $$version --python .venv-serving/bin/python || exit 1; done

lint: $(VENV)/.installed-dev ## Check style, types and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Rewrite the sources with ruff
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove caches and build products
	rm -rf build dist keras_attn.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find keras_attn tests -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## Remove the virtual environments as well
	rm -rf .venv .venv-jax .venv-torch .venv-serving

# A stamp a step: nothing is installed again until the list of requirements changes.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "keras_attn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Keras' other backends, each without TensorFlow.
BACKEND_TOOLS := "keras>=3.15,<3.16" h5py numpy pytest wrapt

.venv-jax/.installed:
	$(PYTHON) -m venv .venv-jax
	.venv-jax/bin/python -m pip install --quiet --disable-pip-version-check $(BACKEND_TOOLS) "jax>=0.10,<0.11"
	@touch $@

.venv-torch/.installed:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check $(BACKEND_TOOLS) "torch==2.13.0"
	@touch $@

# The newest TF Serving is 2.20: TensorFlow and TensorFlow Text as it links them.
.venv-serving/.installed:
	$(PYTHON) -m venv .venv-serving
	.venv-serving/bin/python -m pip install --quiet --disable-pip-version-check "tensorflow==2.20.*" "tensorflow-text==2.20.*"
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.made setup.py keras_attn/version.py
	@echo "Installing keras_attn[plots,serving] into $(VENV) (TensorFlow is large: minutes the first time)"
	@$(INSTALL) ".[plots,serving]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made setup.py keras_attn/version.py
	@echo "Installing keras_attn[dev] into $(VENV) (TensorFlow is large: minutes the first time)"
	@$(INSTALL) ".[dev]"
	@touch $@
