"""The commands that need no server: help, version, settings, doctor."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
from pathlib import Path

import pytest

from jubako import __version__
from jubako.settings import Settings, flag_of
from tests.unit.cli.command import jubako


def test_help_groups_the_commands() -> None:
    text = jubako("--help").stdout
    order = [text.index(word) for word in ("Serve and try", "│ serve", "│ chat", "The model repository", "│ ls", "│ doctor")]
    assert order == sorted(order)
    for command in ("serve", "chat", "ls", "pull", "check", "schema", "doctor", "version"):
        assert jubako(command, "--help").returncode == 0, command


def test_an_unknown_command_is_refused() -> None:
    ran = jubako("serv")
    assert ran.returncode == 2
    assert "serve" in ran.stderr


def test_version() -> None:
    assert jubako("version").stdout == f"jubako {__version__}\n"
    verbose = jubako("version", "--verbose").stdout
    assert "bentoml" in verbose
    assert sys.version.split()[0] in verbose


def test_serve_has_a_flag_for_each_setting_with_its_documentation() -> None:
    text = " ".join(jubako("serve", "--help").stdout.replace("│", " ").split())
    for name, field in Settings.model_fields.items():
        assert flag_of(name) in text, name
        assert " ".join((field.description or "").replace("``", "`").split()) in text, name


def test_settings_are_shown_with_the_place_that_won(tmp_path: Path) -> None:
    config = tmp_path / "jubako.toml"
    config.write_text("workers = 2\nport = 1\n")
    flags = ["--port", "4000", "--no-access-log", "--config", str(config)]
    shown = jubako("serve", "models", "--show-settings", *flags, cwd=tmp_path, JUBAKO_HOST="::1").stdout
    rows = {line.split()[0]: line.strip().split(maxsplit=2)[1:] for line in shown.splitlines()}
    assert rows["port"] == ["4000", "flag --port"]
    assert rows["access_log"] == ["false", "flag --access-log"]
    assert rows["repository"] == [str(tmp_path / "models"), "flag REPOSITORY"]
    assert rows["host"] == ["::1", "environment JUBAKO_HOST"]
    assert rows["workers"] == ["2", f"file {config}"]
    assert rows["log_level"] == ["info", "default"]
    assert rows.keys() - {"setting"} == Settings.model_fields.keys()


@pytest.mark.parametrize(
    ("arguments", "level", "sentence"),
    [
        (["--port", "99999"], "info", "error: --port is '99999'; it must be at most 65535.\n"),
        ([], "loud", "error: The environment variable JUBAKO_LOG_LEVEL is 'loud'; it must be 'debug', "),
        (["--config", "none.toml"], "info", "error: There is no settings file none.toml.\n"),
    ],
)
def test_wrong_settings_end_in_a_sentence(arguments: list[str], level: str, sentence: str) -> None:
    ran = jubako("serve", *arguments, JUBAKO_LOG_LEVEL=level)
    assert ran.returncode == 2
    assert ran.stderr.startswith(sentence)
    assert "pydantic" not in ran.stderr


@pytest.mark.parametrize("arguments", [["ls"], ["check"], ["pull", "--all"], ["pull"], ["doctor"], ["chat", "-m", "Hi"]])
def test_every_command_ends_with_status_2_on_a_wrong_setting(arguments: list[str]) -> None:
    ran = jubako(*arguments, JUBAKO_PORT="many")
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1


def test_a_port_in_use_is_named_with_the_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = jubako("serve", tmp_path, "--port", str(port))
    assert ran.returncode == 1
    assert (
        ran.stderr == f"error: Port {port} on 127.0.0.1 is in use. Stop what listens there, or choose another port with --port.\n"
    )


def test_the_port_of_grpc_in_use_is_named_with_its_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = jubako("serve", tmp_path, "--port", "0", "--grpc-port", str(port))
    assert ran.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use." in ran.stderr
    assert ran.stderr.endswith("choose another port with --grpc-port.\n")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_a_host_that_is_not_here_is_named_with_the_flag(host: str, tmp_path: Path) -> None:
    ran = jubako("serve", tmp_path, "--host", host, "--port", "0")
    assert ran.returncode == 1
    assert host in ran.stderr
    assert "--host" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def findings(repository: Path) -> dict[str, dict[str, str]]:
    ran = jubako("doctor", "--json", JUBAKO_REPOSITORY=str(repository), JUBAKO_CACHE_DIR=str(repository / "cache"))
    report = json.loads(ran.stdout)
    assert (ran.returncode == 1) == any(finding["state"] == "wrong" for finding in report)
    return {finding["what"]: finding for finding in report}


def test_the_doctor_finds_the_shipped_repository_well(tmp_path: Path) -> None:
    ran = jubako("doctor", cwd=tmp_path, JUBAKO_CACHE_DIR=str(tmp_path))
    assert ran.returncode == 0, ran.stdout
    assert "xllamacpp" in ran.stdout
    assert "GiB free" in ran.stdout


def test_the_doctor_says_what_keeps_a_repository_from_being_served(tmp_path: Path) -> None:
    assert findings(tmp_path / "none")["repository"]["state"] == "wrong"
    assert findings(tmp_path)["repository"]["detail"] == f"no model in {tmp_path}"
    (tmp_path / "odd" / "1").mkdir(parents=True)
    (tmp_path / "odd" / "model.yaml").write_text("backend: echo\nprot: 1\n")
    broken = findings(tmp_path)["repository"]
    assert broken["state"] == "wrong"
    assert broken["fix"] == f"jubako check {tmp_path}"
    (tmp_path / "good" / "1").mkdir(parents=True)
    (tmp_path / "good" / "model.yaml").write_text("backend: echo\n")
    assert findings(tmp_path)["repository"]["state"] == "note", "the good model can be served"
    (tmp_path / "odd" / "model.yaml").write_text("backend: echo\n")
    assert findings(tmp_path)["repository"]["state"] == "ok"


def test_the_doctor_looks_at_a_cache_in_which_others_are_at_work(tmp_path: Path) -> None:
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            for number in range(500):
                (tmp_path / "cache" / "environments" / f"{number}" / "lib").mkdir(parents=True)
            shutil.rmtree(tmp_path / "cache" / "environments")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        ran = jubako("doctor", JUBAKO_CACHE_DIR=str(tmp_path / "cache"), JUBAKO_REPOSITORY=str(tmp_path))
    finally:
        done.set()
        worker.join()
    assert "free on its disk" in ran.stdout, ran.stderr
