"""The backends there are. A new engine is one folder and one entry here."""

from __future__ import annotations

from jubako.backends.anthropic.params import AnthropicParams
from jubako.backends.echo.params import EchoParams
from jubako.backends.ensemble.params import EnsembleParams
from jubako.backends.llama_cpp.params import LlamaCppParams
from jubako.backends.lmdeploy.params import LmdeployParams
from jubako.backends.onnx.params import OnnxParams
from jubako.backends.openai.params import OpenAIParams
from jubako.backends.python.params import PythonParams
from jubako.backends.sklearn.params import SklearnParams
from jubako.backends.torch.params import TorchParams
from jubako.backends.transformers.params import TransformersParams
from jubako.backends.triton_python.params import TritonPythonParams
from jubako.backends.vllm.params import VllmParams
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
            name="vllm",
            summary="Hugging Face models on vLLM: text or embeddings, GPU or CPU",
            implementation="jubako.backends.vllm.backend:VllmBackend",
            params=VllmParams,
            tasks=("chat", "completion", "embedding"),
            default_tasks=("chat", "completion"),
            needs_weights=True,
            modules=("vllm",),
            adapts=True,
        ),
        BackendDeclaration(
            name="lmdeploy",
            summary="Hugging Face models on LMDeploy's TurboMind or PyTorch engine: NVIDIA GPU only",
            implementation="jubako.backends.lmdeploy.backend:LmdeployBackend",
            params=LmdeployParams,
            tasks=("chat", "completion"),
            default_tasks=("chat", "completion"),
            needs_weights=True,
            modules=("lmdeploy",),
            adapts=True,
        ),
        BackendDeclaration(
            name="transformers",
            summary="Hugging Face models on transformers: text, embeddings, scores, classes",
            implementation="jubako.backends.transformers.backend:TransformersBackend",
            params=TransformersParams,
            tasks=("chat", "completion", "embedding", "score", "classify"),
            default_tasks=("chat", "completion"),
            needs_weights=True,
            modules=("torch", "transformers", "llguidance"),
            batches=True,
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
            name="onnx",
            summary="ONNX models on onnxruntime: CPU, or GPU with onnxruntime-gpu",
            implementation="jubako.backends.onnx.backend:OnnxBackend",
            params=OnnxParams,
            tasks=("infer",),
            default_tasks=("infer",),
            needs_weights=True,
            modules=("onnxruntime",),
            extra="onnx",
        ),
        BackendDeclaration(
            name="torch",
            summary="PyTorch models: TorchScript, exported programs, safetensors with a factory",
            implementation="jubako.backends.torch.backend:TorchBackend",
            params=TorchParams,
            tasks=("infer",),
            default_tasks=("infer",),
            needs_weights=True,
            modules=("torch", "safetensors"),
            extra="torch",
        ),
        BackendDeclaration(
            name="sklearn",
            summary="scikit-learn models saved with skops",
            implementation="jubako.backends.sklearn.backend:SklearnBackend",
            params=SklearnParams,
            tasks=("infer",),
            default_tasks=("infer",),
            needs_weights=True,
            modules=("sklearn", "skops"),
            extra="sklearn",
        ),
        BackendDeclaration(
            name="ensemble",
            summary="a graph of other models of the repository",
            implementation="jubako.backends.ensemble.backend:EnsembleBackend",
            params=EnsembleParams,
            tasks=("infer",),
            default_tasks=("infer",),
            needs_weights=False,
            calls_models=True,
        ),
        BackendDeclaration(
            name="triton_python",
            summary="a TritonPythonModel, as Triton's Python backend runs it",
            implementation="jubako.backends.triton_python.backend:TritonPythonBackend",
            params=TritonPythonParams,
            tasks=("infer",),
            default_tasks=("infer",),
            needs_weights=False,
            calls_models=True,
        ),
        BackendDeclaration(
            name="openai",
            summary="models on any server that speaks OpenAI's API: a provider's, or your own",
            implementation="jubako.backends.openai.backend:OpenAIBackend",
            params=OpenAIParams,
            tasks=("chat", "completion", "embedding", "score", "classify"),
            default_tasks=("chat",),
            needs_weights=False,
            modules=("aiohttp",),
        ),
        BackendDeclaration(
            name="anthropic",
            summary="models behind Anthropic's messages API",
            implementation="jubako.backends.anthropic.backend:AnthropicBackend",
            params=AnthropicParams,
            tasks=("chat",),
            default_tasks=("chat",),
            needs_weights=False,
            modules=("aiohttp",),
        ),
        BackendDeclaration(
            name="echo",
            summary="answers with what it was asked: for benchmarks and tests",
            implementation="jubako.backends.echo.backend:EchoBackend",
            params=EchoParams,
            tasks=("chat", "completion", "embedding", "score", "classify"),
            default_tasks=("chat", "completion", "embedding", "score", "classify"),
            needs_weights=False,
        ),
    )
}
