.DEFAULT_GOAL := help
.PHONY: help install serve test test-engines lint format protos bench-llm bench-batching bench-gateway bench-embeddings bench-peers lock lock-environments clean

PYTHON ?= python3.11
BIN := .venv/bin
TORCH ?= torch==2.13.0

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s '|'

install: .venv/.installed ## make .venv with the jubako command and everything to develop it

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[examples,llama-cpp,onnx,sklearn]" --group dev
	# By pip, whose own configuration may name an index of smaller builds than the usual one.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(TORCH)
	@touch $@

serve: install ## serve model_repository on http://127.0.0.1:3000
	$(BIN)/jubako serve

test: install ## run every test, the real model included
	$(BIN)/python -m pytest

test-engines: install ## run the tests of the engines that need environments of their own, which are made and kept
	$(BIN)/jubako env create transformers
	$(BIN)/jubako env create vllm
	$(BIN)/python -m pytest tests/engines

lint: install ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: install ## make the gRPC messages again from protos/
	$(BIN)/python protos/generate.py src/jubako/protos

bench-llm: install ## tokens a second and time to first token, against the bare engine
	$(BIN)/python -m benchmarks.llm

bench-batching: install ## the batcher's policy against others, in simulated time
	$(BIN)/python -m benchmarks.batching_sim

bench-gateway: install ## requests a second, memory and time to ready, with a model that only echoes
	$(BIN)/python -m benchmarks.gateway

bench-embeddings: install ## texts embedded a second, beside the same model behind a padding batcher
	$(BIN)/python -m benchmarks.embeddings

bench-peers: install ## jubako beside other model servers, each in an environment of its own
	$(BIN)/python -m benchmarks.peers install
	$(BIN)/python -m benchmarks.peers run

lock: install ## pin the newest versions that fit pyproject.toml into constraints.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
		--extra examples --extra llama-cpp --extra onnx --extra sklearn --group dev --output-file constraints.txt pyproject.toml

lock-environments: install ## pin the newest versions that fit the environments of the engines
	$(BIN)/python -m jubako.environments.lock

clean: ## remove what make made, .venv included
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist benchmarks/results
