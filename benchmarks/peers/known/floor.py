"""What the protocol alone costs: echoes with no model server behind them, in one process."""

from __future__ import annotations

from benchmarks.peers.declaration import Command, Environment, Launch, Peer
from benchmarks.peers.places import PROGRAMS
from benchmarks.peers.requests import v2_grpc, v2_json

ENVIRONMENT = Environment(
    "floor",
    ("uvicorn[standard]==0.54.0", "starlette", "granian==2.8.7", "orjson", "grpcio==1.85.1", "tritonclient[grpc]", "numpy"),
    torch=False,
    versions_of=("uvicorn", "starlette", "granian", "grpcio"),
)


def _uvicorn(launch: Launch, app: str) -> Command:
    words = [launch.places.python(ENVIRONMENT.name), "-m", "uvicorn", f"floor_http:{app}", "--port", str(launch.http_port)]
    return Command([*words, "--no-access-log", "--log-level", "warning"], folder=PROGRAMS)


def _granian(launch: Launch) -> Command:
    words = [launch.places.program(ENVIRONMENT.name, "granian"), "--interface", "asgi", "--port", str(launch.http_port)]
    return Command([*words, "--no-ws", "--log-level", "warning", "floor_http:bare"], folder=PROGRAMS)


def _grpcio(launch: Launch, way: str) -> Command:
    words = [launch.places.python(ENVIRONMENT.name), str(PROGRAMS / "floor_grpc.py"), way, str(launch.grpc_port)]
    return Command(words, folder=launch.folder)


BARE_ASGI = Peer(
    name="uvicorn-asgi",
    role="floor",
    setup="plain ASGI, orjson",
    command=lambda launch: _uvicorn(launch, "bare"),
    fronts={"http": v2_json},
    environment=ENVIRONMENT,
    workloads=("W0",),
)

STARLETTE = Peer(
    name="uvicorn-starlette",
    role="floor",
    setup="Starlette, the standard library's json",
    command=lambda launch: _uvicorn(launch, "app"),
    fronts={"http": v2_json},
    environment=ENVIRONMENT,
    workloads=("W0",),
    by_default=False,
)

GRANIAN = Peer(
    name="granian-asgi",
    role="floor",
    setup="plain ASGI, orjson",
    command=_granian,
    fronts={"http": v2_json},
    environment=ENVIRONMENT,
    workloads=("W0",),
    by_default=False,
)

GRPC_AIO = Peer(
    name="grpc-aio",
    role="floor",
    setup="grpc.aio",
    command=lambda launch: _grpcio(launch, "aio"),
    fronts={"grpc": v2_grpc},
    environment=ENVIRONMENT,
    workloads=("W0",),
)

GRPC_SYNC = Peer(
    name="grpc-sync",
    role="floor",
    setup="grpc.server with 16 threads",
    command=lambda launch: _grpcio(launch, "sync"),
    fronts={"grpc": v2_grpc},
    environment=ENVIRONMENT,
    workloads=("W0",),
    by_default=False,
)
