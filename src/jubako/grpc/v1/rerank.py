"""RerankService."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jubako.dataplane.protocol import Plane
from jubako.dataplane.ranking import best
from jubako.errors import InvalidRequest
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.answers import usage
from jubako.grpc.v1.fields import inputs, require, require_some, whole_number
from jubako.grpc.v1.serving import serving
from jubako.messages import ClassifyRequest, ScoreRequest
from jubako.protos import jubako_v1 as pb

SERVICE: Final = "jubako.v1.RerankService"


async def rerank(request: pb.RerankRequest, plane: Plane, call: Call) -> pb.RerankResponse:
    status = serving(plane, request.model, "score", call)
    require(request.query, "query")
    require_some(request.documents, "documents")
    top_n = whole_number(request, "top_n", 0, 2**31 - 1)
    asked = ScoreRequest(model=request.model, queries=[request.query], documents=list(request.documents))
    result = await plane.score(asked, call.caller)
    given_back = not request.HasField("return_documents") or request.return_documents
    return pb.RerankResponse(
        model=status.model,
        version=status.version,
        results=[
            pb.RankedDocument(
                index=place,
                relevance_score=result.scores[place],
                document=request.documents[place] if given_back else None,
            )
            for place in best(result.scores, top_n)
        ],
        usage=usage(result.usage),
    )


async def score(request: pb.ScoreRequest, plane: Plane, call: Call) -> pb.ScoreResponse:
    status = serving(plane, request.model, "score", call)
    require_some(request.queries, "queries")
    require_some(request.documents, "documents")
    if len(request.queries) not in (1, len(request.documents)):
        raise InvalidRequest(
            f"'queries' has {len(request.queries)} texts and 'documents' has {len(request.documents)}. Send one for all, or as "
            "many.",
            param="queries",
        )
    asked = ScoreRequest(model=request.model, queries=list(request.queries), documents=list(request.documents))
    result = await plane.score(asked, call.caller)
    return pb.ScoreResponse(model=status.model, version=status.version, scores=result.scores, usage=usage(result.usage))


async def classify(request: pb.ClassifyRequest, plane: Plane, call: Call) -> pb.ClassifyResponse:
    status = serving(plane, request.model, "classify", call)
    asked = ClassifyRequest(model=request.model, inputs=inputs(request.inputs))
    result = await plane.classify(asked, call.caller)
    return pb.ClassifyResponse(
        model=status.model,
        version=status.version,
        labels=result.labels,
        classifications=[_classification(each, result.labels) for each in result.probabilities],
        usage=usage(result.usage),
    )


def _classification(probabilities: Sequence[float], labels: Sequence[str]) -> pb.Classification:
    likeliest = probabilities.index(max(probabilities))
    return pb.Classification(label=labels[likeliest], probabilities=probabilities)
