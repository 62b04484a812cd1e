.PHONY: install serve test lint

PYTHON ?= python3.11

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade "pip>=25.1" uv
	.venv/bin/uv pip install --quiet --python .venv/bin/python --constraint constraints.txt --editable ".[llama-cpp]" --group dev
	touch $@
