"""The servers there are. A new one is a module with a declaration, and a line here."""

from __future__ import annotations

from benchmarks.peers.declaration import Peer
from benchmarks.peers.known.bentoml import BENTOML
from benchmarks.peers.known.floor import BARE_ASGI, GRANIAN, GRPC_AIO, GRPC_SYNC, STARLETTE
from benchmarks.peers.known.jubako import JUBAKO
from benchmarks.peers.known.litserve import LITSERVE
from benchmarks.peers.known.mlserver import MLSERVER
from benchmarks.peers.known.ray import RAY
from benchmarks.peers.known.triton import TRITON

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (JUBAKO, TRITON, LITSERVE, MLSERVER, BENTOML, RAY, BARE_ASGI, STARLETTE, GRANIAN, GRPC_AIO, GRPC_SYNC)
}
