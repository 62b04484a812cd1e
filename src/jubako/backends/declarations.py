"""The backends there are. A new engine is one folder and one entry here."""

from __future__ import annotations

from jubako.backends.echo.params import EchoParams
from jubako.backends.llama_cpp.params import LlamaCppParams
from jubako.backends.python.params import PythonParams
from jubako.repository.declaration import BackendDeclaration

BACKENDS: dict[str, BackendDeclaration] = {
    declaration.name: declaration
    for declaration in (
        BackendDeclaration(
            name="llama_cpp",
            summary="GGUF models on llama.cpp: CPU, or GPU with n_gpu_layers",
            implementation="jubako.backends.llama_cpp.backend:LlamaCppBackend",
            params=LlamaCppParams,
            tasks=("chat", "completion", "embedding"),
            default_tasks=("chat", "completion"),
            needs_weights=True,
            modules=("xllamacpp", "llguidance"),
            extra="llama-cpp",
        ),
        BackendDeclaration(
            name="python",
            summary="a class of your own with a method infer: batched, async or streaming",
            implementation="jubako.backends.python.backend:PythonBackend",
            params=PythonParams,
            tasks=("infer",),
            default_tasks=("infer",),
            needs_weights=False,
            calls_models=True,
        ),
        BackendDeclaration(
            name="echo",
            summary="answers with what it was asked: for benchmarks and tests",
            implementation="jubako.backends.echo.backend:EchoBackend",
            params=EchoParams,
            tasks=("chat", "completion", "embedding"),
            default_tasks=("chat", "completion", "embedding"),
            needs_weights=False,
        ),
    )
}
