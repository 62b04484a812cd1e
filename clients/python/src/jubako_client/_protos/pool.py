"""Where the message classes come from: descriptors in a pool of this package's own.

protobuf keeps one default pool for a process and refuses two descriptions of one full name in it. Other clients bring theirs of
``inference.*``; both can be used in one process.
"""

from __future__ import annotations

from importlib import resources

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message


def _loaded() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    content = resources.files("jubako_client._protos").joinpath("descriptors.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _loaded()


def message(name: str) -> type[Message]:
    """The class of the message with this full name."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


def enum(name: str) -> EnumTypeWrapper:
    """The names and numbers of the enumeration with this full name."""
    return EnumTypeWrapper(_POOL.FindEnumTypeByName(name))
