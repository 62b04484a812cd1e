"""Each kind of mistake in an entry, with the line that it is reported on and the sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.repository.repository import Repository, read_repository
from tests.unit.repository.conftest import Write


def read(root: Path) -> Repository:
    return read_repository(root, BACKENDS)


def problems_of(root: Path) -> list[tuple[str, int, str]]:
    return [(str(problem.file.relative_to(root)), problem.line, problem.message) for problem in read(root).problems]


ONE_MISTAKE = {
    "an unknown field": ("backend: echo\ninstnces: 2\n", 2, "There is no field `instnces`. Did you mean `instances`?"),
    "an unknown nested field": (
        "backend: echo\nlimits:\n  max_queue: 3\n",
        3,
        "There is no field `limits.max_queue`. Did you mean `max_queue_size`?",
    ),
    "an unknown sampling field": (
        "backend: echo\nsampling:\n  top_k: 3\n  temprature: 1\n",
        4,
        "There is no field `sampling.temprature`. Did you mean `temperature`?",
    ),
    "an unknown engine field": (
        "backend: echo\nengine:\n  slot: 3\n",
        3,
        "There is no field `engine.slot`. Did you mean `slots`?",
    ),
    "an unknown backend": ("# hello\nbackend: llama_ccp\n", 2, "There is no backend 'llama_ccp'. Did you mean `llama_cpp`?"),
    "an unknown task": (
        "backend: echo\ntasks:\n  - chat\n  - embeding\n",
        4,
        "`tasks[1]` must be one of chat, completion, embedding, score, classify, infer; it is 'embeding'. "
        "Did you mean `embedding`?",
    ),
    "no backend": ("description: hi\n", 1, "The field `backend` is missing; it is required."),
    "text for a whole number": ('backend: echo\ninstances: "2"\n', 2, "`instances` must be a whole number; it is '2'."),
    "a fraction for a whole number": ("backend: echo\ninstances: 2.5\n", 2, "`instances` must be a whole number; it is 2.5."),
    "a number out of range": ("backend: echo\ninstances: 65\n", 2, "`instances` must be at most 64; it is 65."),
    "a bound that is excluded": (
        "backend: echo\nlimits: {timeout_s: 0}\n",
        2,
        "`limits.timeout_s` must be more than 0; it is 0.",
    ),
    "a list for a mapping": ("backend: echo\nlimits: [1]\n", 2, "`limits` must be a mapping of names to values; it is a list."),
    "text for an engine": ("backend: echo\nengine: fast\n", 2, "`engine` must be a mapping of names to values; it is 'fast'."),
    "text for sampling": ("backend: echo\nsampling: hot\n", 2, "`sampling` must be a mapping of names to values; it is 'hot'."),
    "an empty list": ("backend: echo\ntasks: []\n", 2, "`tasks` must have at least 1 item(s); it is a list."),
    "a sampling value out of range": (
        "backend: echo\nsampling:\n  temperature: -1\n",
        3,
        "`sampling.temperature` must be at least 0; it is -1.",
    ),
    "a sampling value of another type": (
        "backend: echo\nsampling:\n  stop:\n    - ok\n    - 3\n",
        5,
        "`sampling.stop[1]` must be text; it is 3.",
    ),
    "a token id that is none": (
        "backend: echo\nsampling:\n  logit_bias: {yes: 2}\n",
        3,
        "`sampling.logit_bias` must have token ids, which are whole numbers, as its keys.",
    ),
    "an engine value of another kind": (
        "backend: echo\nengine:\n  slots: many\n",
        3,
        "`engine.slots` must be a whole number; it is 'many'.",
    ),
    "a digest that is none": (
        "backend: echo\nsha256: abc\n",
        2,
        "`sha256` must be the 64 hexadecimal digits that sha256sum prints; it is 'abc'.",
    ),
    "a digest of a file that is none": (
        f"backend: echo\nsha256:\n  a.bin: {'ab' * 32}\n  b.bin: {'g' * 64}\n",
        4,
        f"`sha256.b.bin` must be the 64 hexadecimal digits that sha256sum prints; it is '{'g' * 64}'.",
    ),
    "a source of an unknown scheme": (
        "backend: echo\nsource: htps://x/y\n",
        2,
        "The source 'htps://x/y' begins with htps:, which is not known. Did you mean `https`?",
    ),
    "a source that is not there": (
        "backend: echo\nsource: w.gguf\n",
        2,
        "`source` names 'w.gguf', but there is nothing at {root}/m/1/w.gguf.",
    ),
    "one digest for a folder": (
        f"backend: echo\nsource: hf://org/name@main\nsha256: {'ab' * 32}\n",
        3,
        "`sha256` is one digest, but the source is a folder: write a mapping from each file's path to its digest.",
    ),
    "a key twice": ("backend: echo\ninstances: 1\ninstances: 2\n", 3, "`instances` is written twice; it is already on line 2."),
    "broken YAML": (
        "backend: echo\ntasks: [chat\n",
        3,
        "This is not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'.",
    ),
    "a list for a file": ("- backend: echo\n", 1, "The file must hold a mapping: lines such as `backend: llama_cpp`."),
    "a served name with a space": (
        "backend: echo\nserved_names:\n  - my model\n",
        3,
        "The name 'my model' has spaces or characters that can't be printed.",
    ),
    "a served name twice": (
        "backend: echo\nserved_names:\n  - a\n  - a\n",
        4,
        "The name 'a' is listed twice; it is already on line 3.",
    ),
    "a template that is not there": (
        "backend: echo\nchat_template: chat.jinja\n",
        2,
        "`chat_template` names 'chat.jinja', but there is no such file in m. Write Jinja itself with its braces.",
    ),
    "a template outside": (
        "backend: echo\nchat_template: ../chat.jinja\n",
        2,
        "`chat_template` must name a file in the entry's folder; it is '../chat.jinja'.",
    ),
    "inline Jinja that is wrong": (
        "backend: echo\nchat_template: |\n  {{ bos }}\n  {% if x %}\n  {% endfor %}\n",
        5,
        "The chat template is not valid Jinja: Encountered unknown tag 'endfor'. Jinja was looking for the following tags: "
        "'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'.",
    ),
    "a number that is not finite": ("backend: echo\nlimits:\n  timeout_s: .inf\n", 3, "`.inf` is not a finite number."),
    "a tag of Python's": (
        "backend: echo\ndescription: !!python/name:os.system x\n",
        2,
        "The tag `!!python/name:os.system` is not understood here; write a plain value.",
    ),
}


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_one_mistake_is_one_problem_with_its_line(case: str, write: Write) -> None:
    text, line, message = ONE_MISTAKE[case]
    root = write({"m/model.yaml": text, "m/1/": ""})
    assert problems_of(root) == [("m/model.yaml", line, message.replace("{root}", str(root)))]


def test_every_problem_is_found_at_once(write: Write) -> None:
    root = write(
        {
            "m/model.yaml": "backend: llama_cpp\ninstances: 0\nlimits:\n  timeout_s: x\nsampling:\n  top_p: 2\n  min_p: 3\n"
            "engine:\n  n_ctx: 1\n  n_paralel: 2\nserved_names: [a b]\n",
            "m/1/version.yaml": "source: pypi://a/b\nengine:\n  n_batch: 0\n",
            "m/v2/": "",
        }
    )
    assert [(file, line) for file, line, _ in problems_of(root)] == [
        ("m/1/version.yaml", 1),
        ("m/1/version.yaml", 3),
        *(("m/model.yaml", line) for line in (2, 4, 6, 7, 9, 10, 11)),
        ("m/v2", 1),
    ]


def test_a_problem_prints_as_compilers_do(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"m/model.yaml": "backend: echo\nx: 1\n", "m/1/": ""})
    monkeypatch.chdir(root.parent)
    (problem,) = read(root).problems
    assert str(problem).startswith("models/m/model.yaml:2: There is no field `x`.")


def test_a_bad_entry_hides_no_good_one(write: Write) -> None:
    root = write({"bad/model.yaml": ":", "good/model.yaml": "backend: echo\n", "good/1/": "", "README.md": "not an entry"})
    repository = read(root)
    assert list(repository.models) == ["good"]
    assert list(repository.broken) == ["bad"]


def test_two_entries_cannot_have_one_name(write: Write) -> None:
    root = write(
        {
            "a/model.yaml": "backend: echo\nserved_names: [x:1b]\n",
            "b/model.yaml": "backend: echo\nserved_names:\n  - y\n  - x:1b\n",
            "c/model.yaml": "backend: echo\nserved_names: [d]\n",
            "d/model.yaml": "backend: echo\n",
            **{f"{name}/1/": "" for name in "abcd"},
        }
    )
    assert problems_of(root) == [
        ("a/model.yaml", 2, "`served_names` claims 'x:1b', which b/model.yaml:4 claims too. Only one entry can have a name."),
        ("b/model.yaml", 4, "`served_names` claims 'x:1b', which a/model.yaml:2 claims too. Only one entry can have a name."),
        ("c/model.yaml", 2, "`served_names` claims 'd', which is the name of another entry."),
    ]
    assert list(read(root).models) == ["d"]


@pytest.mark.parametrize("folder", ["01", "0", "v1", "1.0", "version-2"])
def test_a_folder_that_is_nearly_a_version_is_a_problem(folder: str, write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\n", "m/1/": "", f"m/{folder}/": "", "m/templates/": ""})
    ((file, _, message),) = problems_of(root)
    assert file == f"m/{folder}"
    assert "a whole number from 1 without zeros in front" in message


def test_an_entry_needs_a_version(write: Write) -> None:
    ((_, _, message),) = problems_of(write({"m/model.yaml": "backend: llama_cpp\n"}))
    assert message == "The entry has no version. Make the folder m/1, with the weights or a version.yaml in it."


def test_an_entry_needs_a_model_yaml(write: Write) -> None:
    ((file, _, message),) = problems_of(write({"m/model.yml": "backend: echo\n", "m/1/": ""}))
    assert (file, message) == ("m/model.yaml", "The entry 'm' has no model.yaml. Rename model.yml to model.yaml.")


def test_a_backend_with_weights_needs_a_source(write: Write) -> None:
    ((_, _, message),) = problems_of(write({"m/model.yaml": "backend: llama_cpp\n", "m/1/": ""}))
    assert message.startswith("Version 1 has no weights, which the backend 'llama_cpp' needs: put them into m/1, or say `source`")


def test_a_template_file_is_checked_with_its_own_lines(write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\nchat_template: chat.jinja\n", "m/1/": "", "m/chat.jinja": "ok\n{{ a b }}\n"})
    ((file, line, message),) = problems_of(root)
    assert (file, line) == ("m/chat.jinja", 2)
    assert message.startswith("The chat template is not valid Jinja: expected token")


def test_templates_of_the_hubs_are_valid(write: Write) -> None:
    text = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
    root = write({"m/model.yaml": "backend: echo\nchat_template: chat.jinja\n", "m/1/": "", "m/chat.jinja": text})
    assert read(root).models["m"].chat_template == text


def test_a_wrong_engine_value_of_a_version_is_reported_in_its_file(write: Write) -> None:
    root = write(
        {
            "m/model.yaml": "backend: echo\nengine:\n  slots: 2\n",
            "m/1/version.yaml": "\nengine:\n  slots: none\n",
            "m/2/version.yaml": "engine: {slots: 3}\n",
        }
    )
    assert problems_of(root) == [("m/1/version.yaml", 3, "`engine.slots` must be a whole number; it is 'none'.")]


def test_a_missing_repository_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no model repository at .*/nowhere\. Make the folder with an entry"):
        read(tmp_path / "nowhere")
