.DEFAULT_GOAL := help
.PHONY: help install install-node serve test test-engines test-containers lint format protos release-protos bench-llm bench-batching bench-gateway bench-embeddings bench-grpc bench-peers lock lock-environments lock-images clean

PYTHON ?= python3.11
BIN := .venv/bin
TORCH ?= torch==2.13.0
NODE := clients/typescript
BUF := $(NODE)/node_modules/.bin/buf

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s '|'

install: .venv/.installed ## make .venv with the jubako command and everything to develop it

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[examples,llama-cpp,onnx,sklearn,zstd]" --editable clients/python --group dev
	# By pip, whose own configuration may name an index of smaller builds than the usual one.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(TORCH)
	@touch $@

install-node: $(NODE)/node_modules/.package-lock.json ## install what the TypeScript client and the checks of protos/ need

$(NODE)/node_modules/.package-lock.json: $(NODE)/package-lock.json
	@command -v npm > /dev/null || { echo "npm is not there. Install Node.js 20 or newer, which brings it, from https://nodejs.org, and try again." >&2; exit 1; }
	cd $(NODE) && npm ci --no-audit --no-fund
	@touch $@

serve: install ## serve model_repository on http://127.0.0.1:3000
	$(BIN)/jubako serve

test: install install-node ## run every test, the real model included
	$(BIN)/python -m pytest

test-engines: install ## run the tests of the engines that need environments of their own, which are made and kept
	$(BIN)/jubako env create transformers
	$(BIN)/jubako env create vllm
	$(BIN)/python -m pytest tests/engines --timeout 900

# Needs root, and: apt-get install --no-install-recommends buildah podman skopeo runc docker-registry mmdebstrap \
#   netavark aardvark-dns containernetworking-plugins iptables docker.io
test-containers: install ## build, push, pull and run containers; skips what there are no programs for
	$(BIN)/python -m pytest tests/e2e

lint: install install-node ## check style, types, the direction of imports, and what changes in the protocols
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BUF) lint protos
	$(BUF) breaking protos --against protos/jubako/v1.binpb
	cd $(NODE) && npm run --silent lint

format: install install-node ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd $(NODE) && npm run --silent format

protos: install install-node ## make the gRPC messages of the server and of the clients again from protos/
	$(BIN)/python protos/generate.py src/jubako/protos
	$(BIN)/python clients/python/generate.py
	cd $(NODE) && npm run --silent generate

release-protos: install-node ## make protos/ what later changes must not break
	$(BUF) build protos --path protos/jubako --exclude-source-info --output protos/jubako/v1.binpb

bench-llm: install ## tokens a second and time to first token, against the bare engine
	$(BIN)/python -m benchmarks.llm

bench-batching: install ## the batcher's policy against others, in simulated time
	$(BIN)/python -m benchmarks.batching_sim

bench-gateway: install ## requests a second, memory and time to ready, with a model that only echoes
	$(BIN)/python -m benchmarks.gateway

bench-embeddings: install ## texts embedded a second, beside the same model behind a padding batcher
	$(BIN)/python -m benchmarks.embeddings

bench-grpc: install ## small calls beside a bare gRPC server, and a streamed token beside SSE
	$(BIN)/python -m benchmarks.grpc unary
	$(BIN)/python -m benchmarks.grpc streamed

bench-peers: install ## jubako beside other model servers, each in an environment of its own
	$(BIN)/python -m benchmarks.peers install
	$(BIN)/python -m benchmarks.peers run

lock: install ## pin the newest versions that fit pyproject.toml into constraints.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
		--extra examples --extra llama-cpp --extra onnx --extra sklearn --extra zstd --group dev --output-file constraints.txt pyproject.toml

lock-environments: install ## pin the newest versions that fit the environments of the engines
	$(BIN)/python -m jubako.environments.lock

lock-images: install ## pin the versions in constraints.txt and in the environments for the images of bentos
	$(BIN)/python -m jubako.packaging.lock

clean: ## remove what make made, .venv included
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist benchmarks/results $(NODE)/node_modules $(NODE)/build $(NODE)/dist
