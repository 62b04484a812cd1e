"""`jubako chat` against a real socket: piped, with -m, and at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving import free_port
from tests.unit.cli.answering import answering
from tests.unit.cli.command import jubako
from tests.unit.cli.terminal import CTRL_C, CTRL_D, PATIENCE_S, Terminal

PROMPT = ">>> "
HELLO: list[str | None] = ["Hel", "lo", " wörld", "[DONE]"]


def test_one_question_one_answer() -> None:
    with answering(HELLO) as server:
        ran = jubako("chat", "tiny", "-m", "Hi", "-s", "Be brief.", "--url", server.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "Hello wörld\n", "")
    assert server.asked[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    assert server.asked[0]["stream"] is True


def test_what_is_piped_in_is_the_question_and_the_first_ready_chat_model_answers() -> None:
    with answering(HELLO) as server:
        ran = jubako("chat", "--url", f"{server.url}/v1", stdin="What is\nthis?\n")
    assert ran.stdout == "Hello wörld\n"
    assert server.asked[0]["model"] == "tiny"
    assert server.asked[0]["messages"][0]["content"] == "What is\nthis?"


def test_text_that_looks_like_markup_is_printed_as_it_is() -> None:
    with answering(["[bold]a[/bold]", " \\[x] :smile:", "[DONE]"]) as server:
        assert jubako("chat", "tiny", "-m", "Hi", "--url", server.url).stdout == "[bold]a[/bold] \\[x] :smile:\n"


def test_no_server_is_a_sentence_with_the_command() -> None:
    ran = jubako("chat", "-m", "Hi", JUBAKO_PORT=str(port := free_port()))
    assert ran.returncode == 1
    assert ran.stderr == (
        f"error: No server answers at http://127.0.0.1:{port}. Start one with `jubako serve`, or name another with --url.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["unknown", "-m", "Hi"], "There is no model 'unknown'."),
        (["tiny", "-m", ""], "There is nothing to ask: give a message with -m, or pipe one in."),
        (["tiny", "-m", "Hi", "--url", "localhost"], "'localhost' is not the address of a server"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments: list[str], sentence: str) -> None:
    with answering() as server:
        ran = jubako("chat", "--url", server.url, *arguments)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: {sentence}")
    assert len(ran.stderr.splitlines()) == 1


def test_an_answer_that_breaks_off_says_why_and_fails() -> None:
    with answering(["Hel", "[BREAK]"]) as server:
        ran = jubako("chat", "tiny", "-m", "Hi", "--url", server.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "Hel\n", "error: The instance died.\n")


def test_a_server_without_a_chat_model_is_told() -> None:
    with answering(models=[]) as server:
        ran = jubako("chat", "-m", "Hi", "--url", server.url)
    assert ran.stderr == f"error: The server at {server.url} has no model that chats.\n"


def test_a_conversation_grows_is_cleared_is_saved_and_left(tmp_path: Path) -> None:
    answers: list[list[str | None]] = [["One.", "[DONE]"], ["Two.", "[DONE]"], ["Again.", "[DONE]"], ["New.", "[DONE]"]]
    saved = tmp_path / "saved.json"
    with answering(*answers) as server, Terminal("chat", "--url", server.url, home=tmp_path) as terminal:
        terminal.wait_for(PROMPT)
        for line, answer in [("first", "One."), ("second", "Two."), ("/retry", "Again.")]:
            terminal.enter(line)
            terminal.wait_for(answer)
            terminal.wait_for(PROMPT)
        terminal.enter(f"/save {saved}")
        terminal.wait_for(PROMPT)
        for command in ("/clear", "/system Be kind.", "/set temperature 0.5", "/set stop x", "/model other"):
            terminal.enter(command)
            terminal.wait_for(PROMPT)
        terminal.enter("third")
        terminal.wait_for("New.")
        terminal.wait_for(PROMPT)
        terminal.type(CTRL_D)
        assert terminal.wait_for_exit() == 0
    contents = [[message["content"] for message in request["messages"]] for request in server.asked]
    assert contents == [["first"], ["first", "One.", "second"], ["first", "One.", "second"], ["Be kind.", "third"]]
    assert json.loads(saved.read_text())["messages"][-1] == {"role": "assistant", "content": "Again."}
    assert server.asked[0]["model"] == "tiny"
    assert server.asked[3]["model"] == "other"
    assert server.asked[3]["temperature"] == 0.5
    assert server.asked[3]["stop"] == ["x"]
    assert "third" in (tmp_path / "jubako" / "chat_history").read_text()


def test_ctrl_c_stops_the_answer_and_not_the_chat(tmp_path: Path) -> None:
    with (
        answering(["Once upon", None], ["Fine.", "[DONE]"]) as server,
        Terminal("chat", "tiny", "--url", server.url, home=tmp_path) as terminal,
    ):
        terminal.wait_for(PROMPT)
        terminal.enter("Tell me a story")
        terminal.wait_for("Once upon")
        terminal.type(CTRL_C)
        assert server.abandoned.wait(PATIENCE_S), f"the model was left running:\n{terminal.screen}"
        terminal.wait_for(PROMPT)
        terminal.enter("Thanks")
        terminal.wait_for("Fine.")
        terminal.wait_for(PROMPT)
        terminal.type(CTRL_C)
        terminal.wait_for("Ctrl-D leaves.")
        terminal.enter("/exit")
        assert terminal.wait_for_exit() == 0
    assert [message["content"] for message in server.asked[1]["messages"]] == ["Tell me a story", "Once upon", "Thanks"]


def test_a_wrong_name_is_told_before_the_first_question(tmp_path: Path) -> None:
    with answering() as server, Terminal("chat", "tinny", "--url", server.url, home=tmp_path) as terminal:
        terminal.wait_for("The server has no model 'tinny'; it has vectors, broken, tiny, other.")
        assert terminal.wait_for_exit() == 1


def test_a_version_can_be_named(tmp_path: Path) -> None:
    with answering(HELLO) as server, Terminal("chat", "tiny:2", "--url", server.url, home=tmp_path) as terminal:
        terminal.wait_for(PROMPT)
        terminal.enter("Hi")
        terminal.wait_for("Hello wörld")
    assert server.asked[0]["model"] == "tiny:2"


def test_messages_of_many_lines(tmp_path: Path) -> None:
    with (
        answering(HELLO, HELLO) as server,
        Terminal("chat", "tiny", "--url", server.url, home=tmp_path) as terminal,
    ):
        terminal.wait_for(PROMPT)
        terminal.enter("one\\")
        terminal.wait_for("... ")
        terminal.enter("two")
        terminal.wait_for("wörld")
        terminal.wait_for(PROMPT)
        terminal.enter('"""def f():')
        terminal.wait_for("... ")
        terminal.enter("    pass")
        terminal.wait_for("... ")
        terminal.enter('"""')
        terminal.wait_for("wörld")
        terminal.wait_for(PROMPT)
    asked = [request["messages"][-1]["content"] for request in server.asked]
    assert asked == ["one\ntwo", "def f():\n    pass"]


def test_mistakes_at_the_prompt_are_sentences_and_the_chat_goes_on(tmp_path: Path) -> None:
    with answering(HELLO) as server, Terminal("chat", "tiny", "--url", server.url, home=tmp_path) as terminal:
        terminal.wait_for(PROMPT)
        for line, sentence in [
            ("/frobnicate", "There is no command /frobnicate; /help lists them."),
            ("/retry", "There is no question to ask again."),
            ("/model nothing", "The server has no model 'nothing'; it has vectors, broken, tiny, other."),
            ("/set temperature warm", "`temperature` must be a number; it is 'warm'."),
            ("/set temperature -1", "`temperature` must be at least 0"),
            ("/set heat", "heat is not a sampling parameter."),
            ("/set temprature 1", "temprature is not a sampling parameter. Did you mean `temperature`?"),
            ("/save", "Name the file: /save FILE."),
            ("/save /nowhere/at/all", "can't be written"),
            ("/help", "/retry"),
            ("/models", "tiny"),
            ("/set", "repetition_penalty"),
        ]:
            terminal.enter(line)
            terminal.wait_for(sentence)
            terminal.wait_for(PROMPT)
        terminal.enter("Hi")
        terminal.wait_for("Hello wörld")
