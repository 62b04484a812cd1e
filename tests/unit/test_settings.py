"""Settings: four places, one precedence, and messages that name the place at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.errors import ConfigurationError
from jubako.settings import Settings, as_text, flag_of, load_settings, variable_of


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*map(variable_of, Settings.model_fields), "JUBAKO_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "jubako.toml"


def problem_with(flags: dict[str, str | bool] | None = None, config: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(flags, config)
    return caught.value.message


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    monkeypatch: pytest.MonkeyPatch, config: Path, tmp_path: Path
) -> None:
    config.write_text('port = 1\nworkers = 2\nlog_format = "json"\n')
    monkeypatch.setenv("JUBAKO_PORT", "3")
    monkeypatch.setenv("JUBAKO_WORKERS", "4")
    loaded = load_settings({"port": "5"}, config)
    assert (loaded.settings.port, loaded.settings.workers, loaded.settings.log_format) == (5, 4, "json")
    assert loaded.settings.host == "127.0.0.1"
    assert [loaded.origins[name] for name in ("port", "workers", "log_format", "host")] == [
        "flag",
        "environment",
        "file",
        "default",
    ]


def test_the_environment_may_name_the_file(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    config.write_text("access_log = false\n")
    monkeypatch.setenv("JUBAKO_CONFIG", str(config))
    assert load_settings().settings.access_log is False
    assert load_settings().settings.access_log is False, "the server's processes read it without us"


def test_another_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flags: dict[str, str | bool] = {"repository": str(tmp_path), "access_log": False, "grace_period_s": "1.5", "port": "0"}
    settings = load_settings(flags).settings
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings().settings == settings


def test_folders_are_absolute_whatever_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings({"repository": "models"}).settings.repository == tmp_path / "models"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("port", "70000", "--port is '70000'; it must be at most 65535."),
        ("port", "many", "--port is 'many'; it must be a whole number."),
        ("workers", "0", "--workers is '0'; it must be at least 1."),
        ("grace_period_s", "long", "--grace-period-s is 'long'; it must be a number."),
        ("log_format", "xml", "--log-format is 'xml'; it must be 'text' or 'json'."),
    ],
)
def test_a_wrong_flag_is_named_with_the_rule(name: str, value: str, sentence: str) -> None:
    assert problem_with({name: value}) == sentence


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUBAKO_ACCESS_LOG", "perhaps")
    assert problem_with() == "The environment variable JUBAKO_ACCESS_LOG is 'perhaps'; it must be true or false."


def test_the_port_that_kubernetes_sets_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUBAKO_PORT", "tcp://10.0.0.1:3000")
    assert "enableServiceLinks: false" in problem_with()


def test_every_problem_is_told_at_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("prot = 1\nworkers = -1\n")
    monkeypatch.setenv("JUBAKO_PORT", "-1")
    lines = problem_with({"log_level": "loud"}, config).splitlines()
    assert lines[0] == f"In {config}, `prot` is not a setting; did you mean `port`?"
    assert sorted(line.split(" is ")[0] for line in lines[1:]) == [
        "--log-level",
        f"In {config}, workers",
        "The environment variable JUBAKO_PORT",
    ]


def test_a_missing_file_and_a_broken_file_are_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem_with(config=config) == f"There is no settings file {config}."
    config.write_text("port = \n")
    assert problem_with(config=config).startswith(f"The settings file {config} is not TOML: ")
    monkeypatch.setenv("JUBAKO_CONFIG", str(config))
    assert "is not TOML" in problem_with()


def test_a_variable_that_is_almost_a_setting_is_remarked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUBAKO_WORKER", "2")
    monkeypatch.setenv("JUBAKO_SERVICE_HOST", "10.0.0.1")
    assert load_settings().notes == ["The environment variable JUBAKO_WORKER is not a setting; did you mean JUBAKO_WORKERS?"]


def test_every_setting_is_documented_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        assert "Default" in (field.description or ""), name
        if isinstance(field.default, (str, int, float)):
            assert f"Default {as_text(field.default)}".removesuffix(".0") in (field.description or ""), name


def test_flags_are_spelled_as_people_expect() -> None:
    assert flag_of("max_body_bytes") == "--max-body-bytes"
