"""`jubako key`: files of keys, made and changed from a terminal."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jubako.access.key import Key, digest_of
from jubako.access.key_file import KeyFile
from jubako.access.keyring import Keyring
from jubako.errors import ConfigurationError
from tests.unit.cli.command import jubako


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def some_key(name: str) -> Key:
    return Key(name, digest_of(name.encode()), ("infer",))


def test_create_list_and_revoke(path: Path) -> None:
    created = jubako("key", "create", "alice", "--file", path)
    assert created.returncode == 0, created.stderr
    secret = created.stdout.strip()
    assert re.fullmatch(r"jk-[\w-]{43}", secret)
    assert secret not in created.stderr
    assert "can't be shown again" in created.stderr
    assert secret not in path.read_text()
    assert mode(path) == 0o600

    # The file may be a setting, too.
    options = ["--scope", "admin", "--scope", "metrics", "--model", "smollm2", "--model", "qwen*", "--expires", "90d"]
    second = jubako("key", "create", "bob", *options, JUBAKO_API_KEYS=str(path))
    assert second.returncode == 0, second.stderr

    alice, bob = Keyring.read(path)
    assert Keyring.read(path).find(secret.encode()) == alice
    assert (alice.scopes, alice.models, alice.expires) == (("infer",), ("*",), None)
    assert (bob.scopes, bob.models) == (("admin", "metrics"), ("smollm2", "qwen*"))
    assert bob.expires is not None
    assert abs(bob.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=5)

    listed = jubako("key", "list", "--file", path)
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[1] == ["alice", "infer", "*", "never"]
    assert rows[2][:-1] == ["bob", "admin,", "metrics", "smollm2,", "qwen*"]
    assert listed.stderr == ""

    for name in ("alice", "bob"):
        assert jubako("key", "revoke", name, "--file", path).returncode == 0
    assert list(Keyring.read(path)) == [], "and the file says so"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["create", "alice"], 2, "Which file of keys? Name it with --file"),
        (
            ["create", "alice", "--scope", "read", "--file", "keys.toml"],
            2,
            "--scope is 'read'; it must be infer, admin or metrics.",
        ),
        (["create", "alice", "--expires", "soon", "--file", "keys.toml"], 2, "--expires is 'soon'; it must be such as 90d"),
        (["create", "alice", "--expires", "2020-01-01", "--file", "keys.toml"], 2, "which is over already"),
        (["create", "alice", "--expires", "0d", "--file", "keys.toml"], 2, "which is over already"),
        (["create", "al ice", "--file", "keys.toml"], 1, "'al ice' is no name of a key"),
        (["create", "alice", "--file", "no/keys.toml"], 1, "can't be changed: No such file or directory"),
        (["list", "--file", "keys.toml"], 1, "There is no file of keys"),
        (["revoke", "alice", "--file", "keys.toml"], 1, "has no key 'alice'; it has none."),
    ],
)
def test_what_goes_wrong_is_a_sentence(arguments: list[str], status: int, sentence: str, tmp_path: Path) -> None:
    done = jubako("key", *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert sentence in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "keys.toml").exists()


def test_a_name_is_one_key_s(path: Path) -> None:
    file = KeyFile(path)
    file.add(some_key("alice"))
    with pytest.raises(ConfigurationError, match=r"has a key 'alice' already.*jubako key revoke alice"):
        file.add(some_key("alice"))
    with pytest.raises(ConfigurationError, match="no key 'alicia'; did you mean 'alice'"):
        file.remove("alicia")


def test_what_else_is_in_the_file_stays(path: Path) -> None:
    text = f"""\
# Ours.
[keys]

  [ keys . "old" ]  # leaves next year
sha256 = '{digest_of(b"old").hex()}'
scopes = [
  "infer",
]

# The one of the dashboards.
[keys.grafana]
sha256 = '{digest_of(b"grafana").hex()}'
scopes = ["metrics"]
"""
    path.write_text(text)
    file = KeyFile(path)
    file.add(some_key("new"))
    assert path.read_text().startswith(text)
    file.remove("new")
    assert path.read_text().rstrip() == text.rstrip()
    file.remove("old")
    assert path.read_text().startswith("# Ours.\n[keys]\n\n# The one of the dashboards.\n[keys.grafana]")


@pytest.mark.parametrize(
    "text",
    [
        f"keys = {{alice = {{sha256 = '{digest_of(b'alice').hex()}', scopes = ['infer']}}}}\n",
        f"[keys]\nalice.sha256 = '{digest_of(b'alice').hex()}'\nalice.scopes = ['infer']\n",
        f"[keys.alice]\nsha256 = '{digest_of(b'alice').hex()}'\nscopes = ['infer']\nmodels = [\n['a'][0]\n]",
    ],
)
def test_what_can_t_be_changed_safely_is_left_alone(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError):
        KeyFile(path).remove("alice")
    assert path.read_text() == text


def test_a_wrong_file_is_left_alone(path: Path) -> None:
    path.write_text("[keys.a]\nscopes = ['infer']\n")
    with pytest.raises(ConfigurationError, match=r"keys\.a has no `sha256`"):
        KeyFile(path).add(some_key("alice"))
    assert path.read_text() == "[keys.a]\nscopes = ['infer']\n"


def test_who_may_read_the_file_still_may(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "keys.toml").write_text("[keys]\n")
    path.symlink_to("real/keys.toml")
    (tmp_path / "real" / "keys.toml").chmod(0o640)
    KeyFile(path).add(some_key("alice"))
    assert path.is_symlink()
    assert mode(path) == 0o640
    assert [key.name for key in Keyring.read(path)] == ["alice"]
    assert [each.name for each in (tmp_path / "real").iterdir()] == ["keys.toml"], "nothing is left behind"


def test_keys_made_at_the_same_time_are_all_there(path: Path) -> None:
    names = [f"key-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: KeyFile(path).add(some_key(name)), names))
    assert sorted(key.name for key in Keyring.read(path)) == sorted(names)
