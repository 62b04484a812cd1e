"""What is served of the Open Inference Protocol, and of Triton's extensions of it."""

from __future__ import annotations

from jubako.access.scope import ADMIN, ANY_KEY, INFER, METRICS, OPEN, SERVER_ADMIN, Access
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
    table.add("GET", "/v2", server.metadata, ANY_KEY)
    table.add("GET", "/v2/health/live", server.live, OPEN)
    table.add("GET", "/v2/health/ready", server.ready, OPEN)
    table.add("GET", "/v2/models/stats", models.all_statistics, METRICS)
    table.add("GET", "/v2/trace/setting", trace.read, SERVER_ADMIN)
    table.add("POST", "/v2/trace/setting", trace.change, SERVER_ADMIN)
    table.add("GET", f"{MODEL}/trace/setting", trace.read_model, SERVER_ADMIN)
    table.add("POST", f"{MODEL}/trace/setting", trace.change_model, SERVER_ADMIN)
    table.add("GET", "/v2/logging", logs.read, SERVER_ADMIN)
    table.add("POST", "/v2/logging", logs.change, SERVER_ADMIN)
    table.add("POST", "/v2/repository/index", repository.index, ADMIN)
    table.add("POST", "/v2/repository/models/{model:path}/load", repository.load, ADMIN)
    table.add("POST", "/v2/repository/models/{model:path}/unload", repository.unload, ADMIN)
    table.add("POST", "/v2/repository/models/{model:path}/aliases/{alias}", repository.set_alias, ADMIN)
    table.add("DELETE", "/v2/repository/models/{model:path}/aliases/{alias}", repository.delete_alias, ADMIN)
    _add_models(table)
    _add_shared_memory(table)


def _add_models(table: Routes) -> None:
    endpoints: list[tuple[str, str, Endpoint, Access]] = [
        ("POST", "/infer", infer.infer, INFER),
        ("POST", "/generate", generate.generate, INFER),
        ("POST", "/generate_stream", generate.stream, INFER),
        ("GET", "/ready", models.ready, ANY_KEY),
        ("GET", "/config", models.config, ANY_KEY),
        ("GET", "/stats", models.statistics, METRICS),
        ("GET", "", models.metadata, ANY_KEY),
    ]
    # A version's before the model's: a name takes what is left.
    for method, rest, endpoint, access in endpoints:
        table.add(method, VERSION + rest, endpoint, access)
        table.add(method, MODEL + rest, endpoint, access)


def _add_shared_memory(table: Routes) -> None:
    table.add("GET", f"{SYSTEM_MEMORY}/status", shared_memory.status, SERVER_ADMIN)
    table.add("GET", f"{SYSTEM_MEMORY}/region/{{region:path}}/status", shared_memory.status, SERVER_ADMIN)
    table.add("POST", f"{SYSTEM_MEMORY}/region/{{region:path}}/register", shared_memory.register, SERVER_ADMIN)
    table.add("POST", f"{SYSTEM_MEMORY}/unregister", shared_memory.unregister, SERVER_ADMIN)
    table.add("POST", f"{SYSTEM_MEMORY}/region/{{region:path}}/unregister", shared_memory.unregister, SERVER_ADMIN)
    table.add("GET", f"{CUDA_MEMORY}/status", shared_memory.cuda_status, SERVER_ADMIN)
    table.add("GET", f"{CUDA_MEMORY}/region/{{region:path}}/status", shared_memory.cuda_status, SERVER_ADMIN)
    table.add("POST", f"{CUDA_MEMORY}/region/{{region:path}}/register", shared_memory.cuda_register, SERVER_ADMIN)
    table.add("POST", f"{CUDA_MEMORY}/unregister", shared_memory.cuda_unregister, SERVER_ADMIN)
    table.add("POST", f"{CUDA_MEMORY}/region/{{region:path}}/unregister", shared_memory.cuda_unregister, SERVER_ADMIN)
