"""Models of the user's own code, as clients meet them: `tests/models/`, served."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.integration.asking import ask, streaming, text
from tests.serving import Server


def counts(*values: int) -> Any:
    return np.array(values, np.int32)


def test_arrays_come_with_the_batch_dimension(models: Server) -> None:
    x = np.arange(32, dtype=np.float32).reshape(2, 16)
    np.testing.assert_array_equal(ask(models, "identity", x=x)["output"], x)


def test_the_code_says_what_the_model_takes(models: Server) -> None:
    shown = httpx.get(f"{models.url}/v2/models/texts").json()
    assert shown["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}]
    assert [(each["name"], each["datatype"]) for each in shown["outputs"]] == [
        ("lengths", "INT64"),
        ("batch", "INT32"),
        ("reversed", "BYTES"),
    ]


def test_texts_come_as_strings(models: Server) -> None:
    answer = ask(models, "texts", text=text("Größe", "abc").reshape(2, 1))
    assert answer["lengths"].tolist() == [[5], [3]]
    assert [each.decode() for each in answer["reversed"][:, 0]] == ["eßörG", "cba"]


def test_bytes_that_are_no_text_spoil_nothing(models: Server) -> None:
    answer = ask(models, "texts", text=np.array([[b"\xff"], [b"ok"]], object))
    assert [each.decode() for each in answer["reversed"][:, 0]] == ["\ufffd", "ko"]


def test_requests_share_batches(models: Server) -> None:
    """A model that takes 100 ms answers more requests in a while than it could one by one."""
    x = np.ones((1, 4), np.float32)
    before = statistics(models, "sleeper")
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: ask(models, "sleeper", x=x), range(96)))
    after = statistics(models, "sleeper")
    assert after["inference_count"] - before["inference_count"] == 96
    assert after["execution_count"] - before["execution_count"] < 96


def test_only_the_outputs_that_were_asked_for(models: Server) -> None:
    answer = ask(models, "texts", outputs=["batch"], text=text("a").reshape(1, 1))
    assert {name: array.tolist() for name, array in answer.items()} == {"batch": [[1]]}


def test_a_model_that_takes_single_rows(models: Server) -> None:
    """Its hooks ran, its folder's other module was found, and its parameters reached it."""
    names = text("Ann", "Bob", "Cid").reshape(3, 1)
    greeted = ask(models, "rows", name=names)["output"]
    assert [each.decode() for each in greeted[:, 0]] == ["Hello Ann", "Hello Bob", "Hello Cid"]
    loud = ask(models, "rows", parameters={"loud": True}, name=names[:1])["output"]
    assert loud[0, 0] == b"HELLO ANN!"


def test_a_request_larger_than_a_batch_is_answered_whole(models: Server) -> None:
    names = text(*(f"n{number}" for number in range(11))).reshape(11, 1)
    assert ask(models, "rows", name=names)["output"][10, 0] == b"Hello n10"


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("refuse", "400", "This is not what the model answers."),
        ("raise", "500", "The model failed on this request"),
        ("return nonsense", "500", "The model failed on this request"),
    ],
)
def test_errors(models: Server, how: str, status: str, message: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask(models, "failing", how=text(how))
    assert caught.value.status() == status
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_went_wrong_is_in_the_log(models: Server) -> None:
    with pytest.raises(InferenceServerException):
        ask(models, "failing", how=text("raise"))
    models.wait_until(lambda: "ValueError: a secret of the server" in models.log.read_text())


def test_a_process_that_ends_is_replaced(models: Server) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask(models, "failing", how=text("die"))
    assert caught.value.status() == "503"
    models.wait_until(lambda: httpx.get(f"{models.url}/v2/models/failing/ready").status_code == 200)
    assert ask(models, "failing", how=text("fine"))["output"].tolist() == [b"fine"]


def test_async_code_answers_many_at_once(models: Server) -> None:
    def wait(_: int) -> Any:
        return ask(models, "doubler", parameters={"wait_s": 0.5}, x=np.array([1.5]))["y"]

    begun = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        assert [each.tolist() for each in threads.map(wait, range(16))] == [[3.0]] * 16
    assert time.monotonic() - begun < 16 * 0.5


def test_a_generator_answers_as_often_as_it_yields(models: Server) -> None:
    with streaming(models, "repeater", text=text("hi"), times=counts(3)) as stream:
        answers = list(stream)
    assert [(answer["text"][0], answer["number"][0]) for answer in answers] == [(b"hi", 0), (b"hi", 1), (b"hi", 2)]


def test_a_generator_may_yield_nothing(models: Server) -> None:
    with streaming(models, "repeater", text=text("hi"), times=counts(0)) as stream:
        assert stream.next() is None


def test_a_generator_can_only_be_streamed(models: Server) -> None:
    with pytest.raises(InferenceServerException, match="stream"):
        ask(models, "repeater", text=text("hi"), times=counts(1))


@pytest.mark.parametrize("model", ["repeater", "async-repeater"])
def test_a_client_that_leaves_ends_the_generator(models: Server, model: str) -> None:
    with streaming(models, model, text=text("hi"), times=counts(-1), delay_ms=np.array([1], np.float32)) as stream:
        assert stream.next() is not None
    # More than there are places: had the first ones not ended, the last would wait for ever.
    for _ in range(17 if model == "repeater" else 1):
        with streaming(models, model, text=text("hi"), times=counts(-1)) as stream:
            assert stream.next() is not None
    with streaming(models, "async-repeater", text=text("hi"), times=counts(1)) as stream:
        answer = stream.next()
    assert answer is not None


def test_the_repeater_of_async_code_is_closed(models: Server) -> None:
    with streaming(models, "async-repeater", text=text("hi"), times=counts(-1)) as stream:
        assert stream.next() is not None

    def alone() -> bool:
        with streaming(models, "async-repeater", text=text("hi"), times=counts(1)) as stream:
            answer = stream.next()
        return answer is not None and answer["running"].tolist() == [1]

    models.wait_until(alone)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("twice", "7"),
        ("version", "7"),
        ("stream", "0 1 2"),
        ("stop", "stopped"),
        ("failing", "InvalidRequest: This is not what the model answers."),
        ("nobody", "ModelNotFound: The model 'nobody' does not exist."),
    ],
)
def test_a_model_asks_others(models: Server, what: str, said: str) -> None:
    answer = ask(models, "caller", what=text(what), number=np.array([3.5]))["output"][0].decode()
    assert answer.startswith(said)


def test_async_code_asks_several_others_at_once(models: Server) -> None:
    assert ask(models, "async-caller", x=np.array([1.0, 2.0, 3.0]))["output"].tolist() == [2.0, 4.0, 6.0, 2.0]


def statistics(server: Server, model: str) -> dict[str, Any]:
    shown: dict[str, Any] = httpx.get(f"{server.url}/v2/models/{model}/stats").json()["model_stats"][0]
    return shown


# --- entries that can't be loaded -----------------------------------------------------------------------------------------

BROKEN = {
    "no-class": ("x = 1", "model.py has no class; it needs one with a method 'infer'"),
    "two-classes": (
        "class A:\n    def infer(self): ...\nclass B:\n    def infer(self): ...",
        "several classes with a method 'infer': A, B",
    ),
    "not-python": ("def infer(:", "model.py, line 1: invalid syntax"),
    "not-installed": ("import nobody_has_this", "model.py can't be imported: No module named 'nobody_has_this'"),
    "no-shape": (
        "import numpy as np\nfrom numpy.typing import NDArray\n"
        "class Model:\n    def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...",
        "The shape of the input 'x' is not known",
    ),
    "no-outputs": ("class Model:\n    def infer(self, x: str): ...", "The outputs of the model are not known"),
    "no-tensor": ("class Model:\n    def infer(self, x: set) -> str: ...", "which is no tensor"),
    "needs-package": (
        "class Model:\n    def infer(self, x: str) -> str: ...",
        "`environment: {requirements: 1/requirements.txt}` into model.yaml, then run: jubako env create needs-package",
    ),
}


@pytest.fixture(scope="module")
def reasons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Why each of BROKEN can't be loaded, by the index."""
    folder = tmp_path_factory.mktemp("broken")
    for name, (code, _) in BROKEN.items():
        version = folder / "repository" / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(code)
        (version.parent / "model.yaml").write_text("backend: python\n")
    (folder / "repository" / "needs-package" / "1" / "requirements.txt").write_text("# its own\nnobody-has-this==1.0\nnumpy\n")
    server = Server(folder / "repository", folder / "server.log", {})
    server.start()
    try:
        index: list[dict[str, str]] = []

        def all_have_failed() -> bool:
            index[:] = httpx.post(f"{server.url}/v2/repository/index").json()
            return len(index) == len(BROKEN) and all(entry["state"] == "UNAVAILABLE" for entry in index)

        server.wait_until(all_have_failed)
        yield {entry["name"]: entry["reason"] for entry in index}
    finally:
        server.kill()


@pytest.mark.parametrize("name", BROKEN)
def test_an_entry_that_is_wrong_says_why(reasons: dict[str, str], name: str) -> None:
    assert BROKEN[name][1] in reasons[name]
