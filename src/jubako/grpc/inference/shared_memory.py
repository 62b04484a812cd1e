"""The shared memory extensions: regions that clients register, and tensors that lie in them."""

from __future__ import annotations

from collections.abc import Mapping

from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest, NotFound, Unsupported
from jubako.grpc.transport.call import Call
from jubako.messages import Parameter, SharedRegion
from jubako.protos import inference as pb
from jubako.tensors import Region


def located(plane: Plane, tensor: str, parameters: Mapping[str, Parameter]) -> Region | None:
    """Where in the machine's shared memory a tensor is, if its parameters name a region.

    Raises:
        InvalidRequest: nobody registered the region, or the tensor would reach beyond it.
    """
    name = parameters.get("shared_memory_region")
    if name is None:
        return None
    region = next((region for region in plane.regions() if region.name == name), None)
    if region is None:
        raise InvalidRequest(
            f"The tensor {tensor!r} is in the shared memory region {name!r}, which is not registered. Register it first with "
            "SystemSharedMemoryRegister.",
            param=tensor,
        )
    offset = _size(tensor, "shared_memory_offset", parameters.get("shared_memory_offset", 0))
    size = _size(tensor, "shared_memory_byte_size", parameters.get("shared_memory_byte_size"))
    if offset + size > region.byte_size:
        raise InvalidRequest(
            f"The tensor {tensor!r} of {size} bytes at offset {offset} reaches beyond the shared memory region {name!r}, which "
            f"has {region.byte_size} bytes.",
            param=tensor,
        )
    return Region(region.key, region.offset + offset, size)


def _size(tensor: str, name: str, value: Parameter | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidRequest(
            f"The tensor {tensor!r} is in shared memory; its parameter {name!r} must be a whole number of bytes.", param=tensor
        )
    return value


async def system_status(
    request: pb.SystemSharedMemoryStatusRequest, plane: Plane, call: Call
) -> pb.SystemSharedMemoryStatusResponse:
    regions = [region for region in plane.regions() if request.name in ("", region.name)]
    if request.name and not regions:
        raise NotFound(f"The shared memory region {request.name!r} is not registered.")
    response = pb.SystemSharedMemoryStatusResponse()
    for region in regions:
        status = response.regions[region.name]
        status.name, status.key, status.offset, status.byte_size = region.name, region.key, region.offset, region.byte_size
    return response


async def system_register(
    request: pb.SystemSharedMemoryRegisterRequest, plane: Plane, call: Call
) -> pb.SystemSharedMemoryRegisterResponse:
    await plane.register_region(
        SharedRegion(name=request.name, key=request.key, byte_size=request.byte_size, offset=request.offset)
    )
    return pb.SystemSharedMemoryRegisterResponse()


async def system_unregister(
    request: pb.SystemSharedMemoryUnregisterRequest, plane: Plane, call: Call
) -> pb.SystemSharedMemoryUnregisterResponse:
    await plane.unregister_region(request.name or None)
    return pb.SystemSharedMemoryUnregisterResponse()


# CUDA's shared memory is not served. Clients that clean up before they start get what a server without any region says.


async def cuda_status(request: pb.CudaSharedMemoryStatusRequest, plane: Plane, call: Call) -> pb.CudaSharedMemoryStatusResponse:
    if request.name:
        raise NotFound(f"The CUDA shared memory region {request.name!r} is not registered.")
    return pb.CudaSharedMemoryStatusResponse()


async def cuda_register(
    request: pb.CudaSharedMemoryRegisterRequest, plane: Plane, call: Call
) -> pb.CudaSharedMemoryRegisterResponse:
    raise Unsupported("This server takes no CUDA shared memory. Use system shared memory, or send the contents of tensors.")


async def cuda_unregister(
    request: pb.CudaSharedMemoryUnregisterRequest, plane: Plane, call: Call
) -> pb.CudaSharedMemoryUnregisterResponse:
    return pb.CudaSharedMemoryUnregisterResponse()
