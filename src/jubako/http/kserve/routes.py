"""What is served of the Open Inference Protocol, and of Triton's extensions of it."""

from __future__ import annotations

from jubako.http.kserve import generate, infer, logs, models, repository, server, shared_memory
from jubako.http.kserve.trace import TraceEndpoints
from jubako.http.routes import Endpoint, Routes
from jubako.kserve.trace import Tracing

MODEL = "/v2/models/{model:path}"
VERSION = f"{MODEL}/versions/{{version}}"
SYSTEM_MEMORY = "/v2/systemsharedmemory"
CUDA_MEMORY = "/v2/cudasharedmemory"


def add_routes(table: Routes, tracing: Tracing) -> None:
    trace = TraceEndpoints(tracing)
    table.add("GET", "/v2", server.metadata)
    table.add("GET", "/v2/health/live", server.live)
    table.add("GET", "/v2/health/ready", server.ready)
    table.add("GET", "/v2/models/stats", models.all_statistics)
    table.add("GET", "/v2/trace/setting", trace.read)
    table.add("POST", "/v2/trace/setting", trace.change)
    table.add("GET", f"{MODEL}/trace/setting", trace.read_model)
    table.add("POST", f"{MODEL}/trace/setting", trace.change_model)
    table.add("GET", "/v2/logging", logs.read)
    table.add("POST", "/v2/logging", logs.change)
    table.add("POST", "/v2/repository/index", repository.index)
    table.add("POST", "/v2/repository/models/{model:path}/load", repository.load)
    table.add("POST", "/v2/repository/models/{model:path}/unload", repository.unload)
    _add_models(table)
    _add_shared_memory(table)


def _add_models(table: Routes) -> None:
    endpoints: list[tuple[str, str, Endpoint]] = [
        ("POST", "/infer", infer.infer),
        ("POST", "/generate", generate.generate),
        ("POST", "/generate_stream", generate.stream),
        ("GET", "/ready", models.ready),
        ("GET", "/config", models.config),
        ("GET", "/stats", models.statistics),
        ("GET", "", models.metadata),
    ]
    # A version's before the model's: a name takes what is left.
    for method, rest, endpoint in endpoints:
        table.add(method, VERSION + rest, endpoint)
        table.add(method, MODEL + rest, endpoint)


def _add_shared_memory(table: Routes) -> None:
    table.add("GET", f"{SYSTEM_MEMORY}/status", shared_memory.status)
    table.add("GET", f"{SYSTEM_MEMORY}/region/{{region:path}}/status", shared_memory.status)
    table.add("POST", f"{SYSTEM_MEMORY}/region/{{region:path}}/register", shared_memory.register)
    table.add("POST", f"{SYSTEM_MEMORY}/unregister", shared_memory.unregister)
    table.add("POST", f"{SYSTEM_MEMORY}/region/{{region:path}}/unregister", shared_memory.unregister)
    table.add("GET", f"{CUDA_MEMORY}/status", shared_memory.cuda_status)
    table.add("GET", f"{CUDA_MEMORY}/region/{{region:path}}/status", shared_memory.cuda_status)
    table.add("POST", f"{CUDA_MEMORY}/region/{{region:path}}/register", shared_memory.cuda_register)
    table.add("POST", f"{CUDA_MEMORY}/unregister", shared_memory.cuda_unregister)
    table.add("POST", f"{CUDA_MEMORY}/region/{{region:path}}/unregister", shared_memory.cuda_unregister)
