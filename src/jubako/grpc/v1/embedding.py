"""EmbeddingService."""

from __future__ import annotations

from typing import Final

import numpy as np

from jubako.dataplane.protocol import Plane
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.answers import usage
from jubako.grpc.v1.fields import inputs, whole_number
from jubako.grpc.v1.serving import serving
from jubako.messages import EmbedRequest
from jubako.protos import jubako_v1 as pb

SERVICE: Final = "jubako.v1.EmbeddingService"


async def embed(request: pb.EmbedRequest, plane: Plane, call: Call) -> pb.EmbedResponse:
    status = serving(plane, request.model, "embedding", call)
    dimensions = whole_number(request, "dimensions", 1, 2**31 - 1)
    asked = EmbedRequest(model=request.model, inputs=inputs(request.inputs), dimensions=dimensions)
    result = await plane.embed(asked, call.caller)
    return pb.EmbedResponse(
        model=status.model,
        version=status.version,
        embeddings=[pb.Embedding(values=np.frombuffer(vector, "<f4").tolist()) for vector in result.vectors],
        usage=usage(result.usage),
    )
