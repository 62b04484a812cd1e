"""What there is to know of a server before it can be installed, started and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from benchmarks.peers.places import Places
from benchmarks.peers.requests import FrontName, RequestOf, v2_binary, v2_grpc, v2_json
from benchmarks.peers.workloads import WORKLOADS, Workload

TORCH = "torch==2.13.0"

V2_FRONTS: dict[FrontName, RequestOf] = {"http": v2_json, "http-binary": v2_binary, "grpc": v2_grpc}


@dataclass(frozen=True)
class Environment:
    """A Python environment of its own below the cache folder.

    Attributes:
        requirements: What uv installs.
        torch: Whether PyTorch is installed first, by pip, whose own configuration may name an index of smaller builds.
        versions_of: The distributions whose versions go with the figures.
    """

    name: str
    requirements: tuple[str, ...]
    torch: bool = True
    versions_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Launch:
    """What a server is started with: one model, and the ports and the scratch folder it may use.

    Attributes:
        copies: How many processes answer HTTP, where the server has such processes, and how many load the model.
        folder: Empty, and the server's own; removed afterwards.
    """

    workload: Workload
    copies: int
    http_port: int
    grpc_port: int
    other_port: int
    folder: Path
    places: Places


@dataclass(frozen=True)
class Command:
    words: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


CommandOf: TypeAlias = Callable[[Launch], Command]
Role: TypeAlias = Literal["measured", "peer", "floor"]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server.

    Attributes:
        role: ``measured`` is jubako; a ``floor`` only echoes, to show what the core could do at best.
        setup: How it is set up, in a few words.
        environment: None: the environment that runs the benchmark.
        shared_memory: Whether it speaks V2's extension for shared memory.
        by_default: Whether it takes part if nothing else is said.
    """

    name: str
    role: Role = "peer"
    setup: str
    command: CommandOf
    fronts: Mapping[FrontName, RequestOf]
    environment: Environment | None
    workloads: tuple[str, ...] = tuple(WORKLOADS)
    shared_memory: bool = False
    by_default: bool = True
