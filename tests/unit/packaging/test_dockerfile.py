"""The Dockerfile of an image. That it builds and runs is for the tests with containers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from jubako.packaging.dockerfile import Declared, dockerfile, index_settings

DECLARED = Declared(base_image="python:3.11-slim", python_version="3.11")


def steps(text: str) -> list[str]:
    """The instructions, each as one line."""
    return [line for line in text.replace("\\\n", "").splitlines() if line.strip()]


def last_stage(text: str) -> list[str]:
    lines = steps(text)
    begin = max(index for index, line in enumerate(lines) if line.startswith("FROM"))
    return lines[begin:]


def test_what_changes_seldom_is_below_what_changes_often() -> None:
    copies = [step for step in last_stage(dockerfile(DECLARED, weights=True, brings_uv=True, secrets=[])) if "COPY" in step]
    assert [step.split()[-2] for step in copies] == ["/app", "weights", "/framework", "/code"]


def test_without_weights_there_is_no_layer_of_them() -> None:
    assert "COPY weights" not in dockerfile(DECLARED, weights=False, brings_uv=True, secrets=[])


def test_a_wheel_that_is_brought_is_installed_and_not_left() -> None:
    text = dockerfile(DECLARED, weights=False, brings_uv=True, brings_wheels=True, secrets=[])
    [install] = [step for step in steps(text) if "uv pip install" in step]
    assert "-r /requirements.txt /wheels/*.whl &&" in install
    assert "COPY wheels /wheels" in steps(text)
    assert not [step for step in last_stage(text) if "wheels" in step]
    assert "wheels" not in dockerfile(DECLARED, weights=False, brings_uv=True, secrets=[])


def test_it_starts_as_nobody_special_without_a_shell() -> None:
    stage = last_stage(dockerfile(DECLARED, weights=True, brings_uv=True, secrets=[]))
    assert "USER 1034:1034" in stage
    [entry] = [json.loads(step.removeprefix("ENTRYPOINT ")) for step in stage if step.startswith("ENTRYPOINT")]
    assert entry == ["/app/.venv/bin/python", "-m", "jubako", "serve", "/home/bentoml/bento"]
    [check] = [json.loads(step.partition(" CMD ")[2]) for step in stage if step.startswith("HEALTHCHECK")]
    assert check[0] == "/app/.venv/bin/python"
    compile(check[-1], "health check", "exec")
    assert "EXPOSE 3000 50051" in stage
    assert not [step for step in stage if step.startswith(("RUN", "CMD"))]


def test_commands_variables_and_labels_of_the_bento_are_in_it() -> None:
    declared = Declared(
        base_image="registry.example.org/base@sha256:00",
        python_version="3.12",
        commands=["apt-get update"],
        post_commands=["echo done"],
        environment={"ONE": 'a "quoted" word'},
        labels={"jubako.model": "smollm2"},
    )
    text = dockerfile(declared, weights=False, brings_uv=False, secrets=[])
    assert steps(text)[0] == "FROM registry.example.org/base@sha256:00 AS base"
    assert "RUN apt-get update" in steps(text)
    assert "RUN echo done" in steps(text)
    assert "--python 3.12" in text
    [variables] = [step for step in last_stage(text) if step.startswith("ENV")]
    assert 'ONE="a \\"quoted\\" word"' in variables
    assert re.search(r'^LABEL\s+jubako.model="smollm2"$', last_stage(text)[-1])


def test_what_is_copied_between_stages_is_of_one_time() -> None:
    """Docker keeps the times of files, so layers of equal files would differ."""
    text = dockerfile(DECLARED, weights=True, brings_uv=True, secrets=[])
    copied = [step.split()[-2] for step in last_stage(text) if "COPY --from" in step]
    assert copied == ["/app", "/framework", "/code"]
    for folder in copied:
        assert [
            step for step in steps(text) if step.startswith("RUN") and step.endswith(f"find {folder} -exec touch -h -d @0 {{}} +")
        ]


def test_variables_and_labels_are_taken_literally() -> None:
    value = "<it's> & 'R&D' costs $HOME, \\ too"
    text = dockerfile(replace(DECLARED, labels={"x": value}), weights=False, brings_uv=True, secrets=[])
    assert last_stage(text)[-1].split("=", 1)[1] == "\"<it's> & 'R&D' costs \\$HOME, \\\\ too\""


def test_settings_of_indexes_are_secrets_that_only_installations_see() -> None:
    environment = {
        "UV_INDEX_URL": "https://user:secret@packages.example.org/simple",
        "PIP_INDEX_URL": "https://user:secret@packages.example.org/simple",
        "UV_INDEX_PRIVATE_PASSWORD": "secret",
        "UV_CACHE_DIR": "/cache",
        "UV_EXTRA_INDEX_URL": "",
        "HOME": "/root",
    }
    secrets = index_settings(environment)
    assert secrets.keys() == {"UV_INDEX_URL", "PIP_INDEX_URL", "UV_INDEX_PRIVATE_PASSWORD"}
    text = dockerfile(DECLARED, weights=False, brings_uv=True, secrets=secrets)
    assert "secret@" not in text
    users = [step for step in steps(text) if "type=secret" in step]
    assert len(users) == 1
    assert "uv pip install" in users[0]
    assert 'UV_DEFAULT_INDEX="$(cat /run/secrets/PIP_INDEX_URL)"' in users[0]
    assert not [step for step in last_stage(text) if "secret" in step]
