"""``engine:`` of a model.yaml whose backend is ``transformers``, under the library's and vLLM's own names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class TransformersParams:
    """Parameters of transformers."""

    __pydantic_config__ = CLOSED

    device: str = "auto"
    """What computes: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``. Default auto: a GPU if PyTorch sees one, else the CPU."""

    device_map: str | dict[str, str | int] | None = None
    """Spreads the model's layers over several devices, as accelerate does: ``auto``, ``balanced``, or a mapping of modules to
    devices. Default: all on `device`."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights and of what is computed. Default auto: what the weights say, but float32 on a CPU that does
    not compute in it natively."""

    attn_implementation: str | None = None
    """How attention is computed, in the library's words: ``eager``, ``sdpa``, ``flash_attention_2`` ... Default: the fastest for
    the device that is installed."""

    max_model_len: Annotated[int, Ge(8)] | None = None
    """Context of one request, prompt and answer together, in tokens. Default: what the model was trained with, at most 8192."""

    max_num_seqs: Annotated[int, Ge(1)] = 16
    """Slots: requests that generate at once; more wait in the queue. Default 16."""

    max_num_batched_tokens: Annotated[int, Ge(1)] | None = None
    """Tokens computed in one step, at least `max_num_seqs`; long prompts are cut to fit. A departing client frees its slot
    within one step. Default: 256 on the CPU, 4096 on a GPU."""

    page_size: Annotated[int, Ge(4)] = 32
    """Tokens in one page of the KV cache. Whole pages are what prompts that begin alike can share. Default 32."""

    kv_cache_gib: Annotated[float, Gt(0)] | None = None
    """Memory for keys and values, in GiB. Default on the CPU: enough for all slots, but no more than 2 GiB, nor less than one
    whole context needs; on a GPU: four fifths of what the weights leave free."""

    enable_prefix_caching: bool = True
    """Compute the beginning that a prompt shares with earlier ones only once. Default true."""

    num_threads: Annotated[int, Ge(1)] | None = None
    """Threads that compute on the CPU. Default: the processors minus one, at least one, so that the gateway has one to itself."""

    pooling: Literal["mean", "cls", "lasttoken", "max", "weightedmean", "mean_sqrt_len_tokens"] | None = None
    """How an embedding is made of its tokens' vectors. Default: what the files of sentence-transformers beside the weights say;
    without them ``mean``, and ``lasttoken`` for models that write text."""

    normalize: bool | None = None
    """Whether embeddings are made to have length one. Default: what the files of sentence-transformers say; without them true."""

    trust_remote_code: bool = False
    """Run Python code that lies beside the weights. It can do all that the server may do. Default false."""
