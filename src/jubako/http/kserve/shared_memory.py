"""The system shared memory extension: regions that clients register, and tensors that lie in them.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_shared_memory.md
"""

from __future__ import annotations

from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest, NotFound, Unsupported
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import RegionStatus, encode
from jubako.http.kserve.wire import InputParameters, OutputParameters, RegisterBody
from jubako.messages import SharedRegion
from jubako.tensors import Region

_DECODER = BodyDecoder(RegisterBody, any_json=False)


def locate(plane: Plane, tensor: str, said: InputParameters | OutputParameters) -> Region:
    """Where in the machine's shared memory a tensor is, whose parameters name a region.

    Raises:
        InvalidRequest: nobody registered the region, or the tensor would reach beyond it.
    """
    name, offset, size = said.shared_memory_region, said.shared_memory_offset, said.shared_memory_byte_size
    region = next((region for region in plane.regions() if region.name == name), None)
    if region is None:
        raise InvalidRequest(
            f"The tensor {tensor!r} is in the shared memory region {name!r}, which is not registered. Register it first with "
            f"POST /v2/systemsharedmemory/region/{name}/register.",
            param=tensor,
        )
    if size is None:
        raise InvalidRequest(
            f"The tensor {tensor!r} is in the shared memory region {name!r}; the parameter 'shared_memory_byte_size' must say "
            "how long it is.",
            param=tensor,
        )
    if offset + size > region.byte_size:
        raise InvalidRequest(
            f"The tensor {tensor!r} of {size} bytes at offset {offset} reaches beyond the shared memory region {name!r}, which "
            f"has {region.byte_size} bytes.",
            param=tensor,
        )
    return Region(region.key, region.offset + offset, size)


async def status(exchange: Exchange, plane: Plane) -> None:
    """All regions, or the one that the path names."""
    regions = plane.regions()
    if (name := exchange.names.get("region")) is not None:
        regions = [region for region in regions if region.name == name]
        if not regions:
            raise NotFound(f"The shared memory region {name!r} is not registered.")
    await exchange.answer(encode([RegionStatus(r.name, r.key, r.offset, r.byte_size) for r in regions]))


async def register(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.body())
    name = exchange.names["region"]
    await plane.register_region(SharedRegion(name=name, key=body.key, byte_size=body.byte_size, offset=body.offset))
    await exchange.answer(b"{}")


async def unregister(exchange: Exchange, plane: Plane) -> None:
    """Forget all regions, or the one that the path names."""
    await plane.unregister_region(exchange.names.get("region"))
    await exchange.answer(b"{}")


# CUDA's shared memory is not served. Clients that clean up before they start get what a server without any region says.


async def cuda_status(exchange: Exchange, plane: Plane) -> None:
    if (name := exchange.names.get("region")) is not None:
        raise NotFound(f"The CUDA shared memory region {name!r} is not registered.")
    await exchange.answer(b"[]")


async def cuda_register(exchange: Exchange, plane: Plane) -> None:
    raise Unsupported(
        "This server takes no CUDA shared memory. Use system shared memory (POST /v2/systemsharedmemory/region/"
        f"{exchange.names['region']}/register), or send tensors as binary data."
    )


async def cuda_unregister(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(b"{}")
