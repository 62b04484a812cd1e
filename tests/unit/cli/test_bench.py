"""`jubako bench` against real servers: jubako's own with the echo backend, and one that fails in known ways."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving import Server, free_port
from tests.unit.cli.command import clean_environment, jubako

CHUNK = b'data: {"choices":[{"delta":{"content":"word "}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bench")
    for name, engine in (("quick", "{}"), ("slow", "{token_delay_s: 0.1}")):
        (folder / "repository" / name / "1").mkdir(parents=True)
        (folder / "repository" / name / "model.yaml").write_text(f"backend: echo\nengine: {engine}\n")
    with Server(folder / "repository", folder / "server.log", {}) as running:
        yield running


@pytest.fixture
def other_server() -> Iterator[Callable[[bytes, int], str]]:
    """``other_server(BODY, STATUS)`` is the URL of a server that always answers so, and refuses fields that OpenAI's has not."""
    started: list[http.server.ThreadingHTTPServer] = []

    def start(body: bytes, status: int = 200) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                unknown = sorted(asked.keys() - {"model", "messages", "max_tokens", "temperature", "stream"})
                content = json.dumps({"error": {"message": f"unknown field {unknown[0]}"}}).encode() if unknown else body
                self.send_response(400 if unknown else status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(made)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{made.server_address[1]}"

    yield start
    for made in started:
        made.shutdown()
        made.server_close()


def test_models_are_compared_and_drawn(server: Server, tmp_path: Path) -> None:
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    words = ["quick", "slow", "--url", server.url, "--concurrency", "1,3", "--max-tokens", "5", "--prompt-tokens", "20"]
    ran = jubako("bench", *words, "--json", figures, "--plot", plot, MPLCONFIGDIR=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0].split()[:2] == ["MODEL", "STREAMS"]
    report = json.loads(figures.read_text())
    assert report["complete"]
    assert [(level["target"], level["streams"]) for level in report["levels"]] == [
        ("quick", 1),
        ("slow", 1),
        ("quick", 3),
        ("slow", 3),
    ]
    for level in report["levels"]:
        assert level["requests"] == 2 * 2 * level["streams"]
        assert level["errors"] == {}
        assert level["counted"]
        assert level["completion_tokens"] == 5
        assert len(level["tokens_per_s_rounds"]) == 2
    slow = report["levels"][3]
    assert slow["gap_p50_ms"] >= 50
    assert slow["first_p50_ms"] <= slow["first_p99_ms"]
    assert slow["tokens_a_piece"] == 1
    assert slow["stream_tokens_per_s"] < 20
    assert slow["tokens_per_s"] > slow["stream_tokens_per_s"]
    assert abs(slow["prompt_tokens"] - 20) <= 1
    assert plot.read_text().startswith("<?xml")


def test_a_duration_bounds_each_turn(server: Server, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["slow", "--url", server.url, "--concurrency", "2", "--max-tokens", "2", "--rounds", "1"]
    ran = jubako("bench", *words, "--duration", "2", "--json", figures)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(figures.read_text())["levels"][0]["requests"] >= 4


def test_the_first_model_that_chats_is_taken(server: Server) -> None:
    ran = jubako("bench", "--url", f"{server.url}/v1", "--concurrency", "1", "--requests", "1", "--rounds", "1")
    assert ran.returncode == 0, ran.stderr


def test_another_server_is_counted_by_its_pieces(other_server: Callable[..., str], tmp_path: Path) -> None:
    url = other_server(3 * CHUNK + b"data: [DONE]\n\n")
    figures = tmp_path / "figures.json"
    ran = jubako("bench", f"any@{url}", "--concurrency", "2", "--rounds", "1", "--json", figures)
    assert ran.returncode == 0, ran.stderr
    level = json.loads(figures.read_text())["levels"][0]
    assert level["completion_tokens"] == 3
    assert not level["counted"]
    assert "does not count its tokens" in ran.stderr
    assert "does not take ignore_eos" in ran.stderr


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"error": {"message": "too many"}}', 429, "status 429: too many"),
        (CHUNK + b'data: {"error": {"message": "out of memory"}}\n\n', 200, "out of memory"),
        (b"<html>", 200, "the answer has no text"),
        (b"data: {1}\n\n", 200, "not a stream of OpenAI's chat API"),
    ],
)
def test_a_model_that_does_not_answer_is_told_before_the_run(
    other_server: Callable[..., str], body: bytes, status: int, said: str
) -> None:
    ran = jubako("bench", f"any@{other_server(body, status)}")
    assert ran.returncode == 1
    assert said in ran.stderr
    assert ran.stdout == ""


def test_requests_that_fail_are_counted_by_reason(tmp_path: Path) -> None:
    """A server that answers the first requests, refuses one, and breaks off another."""
    answers = iter([(200, CHUNK + USAGE)] * 2 + [(503, b"busy"), (0, b"")] + [(200, CHUNK + USAGE)] * 9)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status, content = next(answers)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        figures = tmp_path / "figures.json"
        words = ["--concurrency", "1", "--requests", "5", "--rounds", "1", "--warmup", "0", "--json", str(figures)]
        ran = jubako("bench", f"any@http://127.0.0.1:{made.server_address[1]}", *words)
        made.shutdown()
    assert ran.returncode == 1
    level = json.loads(figures.read_text())["levels"][0]
    assert level["requests"] == 3
    assert level["errors"] == {"status 503: busy": 1, "the connection broke off": 1}
    assert "1 of 5: status 503: busy" in ran.stderr


def test_ctrl_c_shows_what_there_is(server: Server, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = [
        "quick",
        "slow",
        "--url",
        server.url,
        "--concurrency",
        "1,2",
        "--requests",
        "30",
        "--rounds",
        "1",
        "--max-tokens",
        "50",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "jubako", "bench", *words, "--warmup", "0", "--json", str(figures)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("quick: 1 at once, round 1")
    process.send_signal(signal.SIGINT)  # `slow` needs two minutes for its first level
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "STREAMS" in printed
    report = json.loads(figures.read_text())
    assert not report["complete"]
    assert [level["target"] for level in report["levels"]] == ["quick"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plot", "plot.gif"], "let the name 'plot.gif' end with .png or .svg"),
        (["--json", "nowhere/figures.json"], "There is no folder"),
        (["--concurrency", "1,x"], "--concurrency"),
        (["--concurrency", "4,4"], "different numbers"),
        (["--api-key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["--requests", "1", "--duration", "1"], "not both"),
    ],
)
def test_what_can_not_end_well_is_refused_at_once(words: list[str], said: str, tmp_path: Path) -> None:
    ran = jubako("bench", "any", *words, cwd=tmp_path)
    assert ran.returncode == 2
    assert said in ran.stderr


def test_nobody_at_the_address() -> None:
    ran = jubako("bench", f"any@http://127.0.0.1:{free_port()}")
    assert ran.returncode == 1
    assert "No server answers" in ran.stderr
