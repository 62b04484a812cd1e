"""Makes small models of many kinds, and says what sentence-transformers, transformers and jubako's engine make of texts.

Run in an environment of jubako's with sentence-transformers and jubako on its path::

    python encoder_trials.py FOLDER MINILM

`FOLDER` holds ``texts.json``, a list of texts. Written beside it: the folders ``cross-encoder``, ``raw-cross-encoder``,
``classifier`` and ``tagger``, and ``references.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing
from tokenizers.trainers import WordPieceTrainer
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    MistralConfig,
    MistralModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from jubako.backends.transformers.encoder import TransformersEncoder
from jubako.backends.transformers.params import TransformersParams

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
PAIRS_QUERY = "a short question"
LABELS = ["red", "green", "blue"]


def tokenizer_of(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """A WordPiece tokenizer trained on these texts."""
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=300)


def wide(model: PreTrainedModel) -> PreTrainedModel:
    """`model` with weights far enough apart for differences to show."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.dim() > 1 else 1.0)
    return model.eval()


def kinds(vocabulary: int) -> dict[str, tuple[Callable[[], PreTrainedModel], bool]]:
    """Architectures by name, and whether their sequences can be packed."""
    words = {"vocab_size": vocabulary, "max_position_embeddings": 512}
    keys = {**SIZE, **words, "num_key_value_heads": 2, "head_dim": 8}
    t5 = T5Config(vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    return {
        "bert": (lambda: BertModel(BertConfig(**SIZE, **words)), True),
        "roberta": (lambda: RobertaModel(RobertaConfig(**SIZE, **words, pad_token_id=0)), True),
        "qwen3": (lambda: Qwen3ForCausalLM(Qwen3Config(**keys)), True),
        "mistral-window": (lambda: MistralModel(MistralConfig(**keys, sliding_window=16)), False),
        "mpnet": (lambda: MPNetModel(MPNetConfig(**SIZE, **words, pad_token_id=0)), False),
        "modernbert": (lambda: ModernBertModel(ModernBertConfig(**SIZE, **words, local_attention=16, pad_token_id=0)), False),
        "t5": (lambda: T5EncoderModel(t5), False),
    }


def pooled(folder: Path, model: Path, mode: Any, *, dense: bool, prompt: str = "", **pooling: Any) -> Path:
    """A folder as sentence-transformers writes it."""
    transformer = Transformer(str(model))
    size = transformer.get_embedding_dimension()
    parts: list[Any] = [transformer, Pooling(size, mode, **pooling)]
    if dense:
        parts.append(Dense(parts[-1].get_embedding_dimension(), 16))
    sentence = SentenceTransformer(
        modules=[*parts, Normalize()],
        device="cpu",
        prompts={"query": prompt, "document": ""},
        default_prompt_name="query" if prompt else None,
    )
    sentence.save(str(folder))
    return folder


def trial(folder: Path, texts: list[str]) -> dict[str, Any]:
    """How far the engine is from sentence-transformers, all texts together and each alone."""
    engine = TransformersEncoder(folder, TransformersParams(num_threads=1))
    info = engine.load()
    sequences = engine.tokenize(texts)
    together = np.array(engine.encode(sequences))
    alone = np.array([engine.encode([sequence])[0] for sequence in sequences])
    wanted = SentenceTransformer(str(folder), device="cpu").encode(texts)
    return {
        "packs": info.packs,
        "dimensions": info.dimensions == wanted.shape[1],
        "difference": float(max(np.abs(together - wanted).max(), np.abs(alone - wanted).max())),
        "spread": float(np.abs(wanted - wanted[0]).max()),
    }


def embedders(folder: Path, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> dict[str, Any]:
    found = {}
    for name, (make, packs) in kinds(len(tokenizer)).items():
        torch.manual_seed(1)
        wide(make()).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        mode: Any = "lasttoken" if name in ("qwen3", "mistral-window") else "mean"
        found[name] = {**trial(pooled(folder / f"{name}-pooled", folder / name, mode, dense=False), texts), "expected": packs}
    bert = folder / "bert"
    for mode in ("cls", "max", "weightedmean", "mean_sqrt_len_tokens", ("cls", "mean")):
        name = "+".join(mode) if isinstance(mode, tuple) else mode
        found[name] = {**trial(pooled(folder / name, bert, mode, dense=name == "cls"), texts), "expected": True}
    prompted = pooled(folder / "prompt", bert, "weightedmean", dense=False, prompt="question of length: ", include_prompt=False)
    found["prompt"] = {**trial(prompted, texts), "expected": True}
    return found


def classifier(folder: Path, tokenizer: PreTrainedTokenizerBase, texts: list[str], labels: list[str], **config: Any) -> Any:
    """What the library itself says: the probabilities of the labels."""
    torch.manual_seed(2)
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    model = wide(BertForSequenceClassification(BertConfig(**SIZE, vocab_size=len(tokenizer), **named, **config)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    loaded = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    reader = AutoTokenizer.from_pretrained(folder)
    several = config.get("problem_type") == "multi_label_classification"
    answers = []
    with torch.no_grad():
        for text in texts:
            logits = loaded(**reader(text, return_tensors="pt")).logits[0]
            answers.append((logits.sigmoid() if several else logits.softmax(-1)).tolist())
    return answers


def cross_encoder(folder: Path, tokenizer: PreTrainedTokenizerBase, texts: list[str], activation: str | None) -> Any:
    classifier(folder, tokenizer, [], ["LABEL_0"])
    if activation is not None:
        config = json.loads((folder / "config.json").read_text())
        config["sentence_transformers"] = {"activation_fn": activation}
        (folder / "config.json").write_text(json.dumps(config))
    return CrossEncoder(str(folder), device="cpu").predict([(PAIRS_QUERY, text) for text in texts]).tolist()


def main(folder: Path, minilm: Path) -> None:
    torch.set_num_threads(1)
    texts = json.loads((folder / "texts.json").read_text())
    tokenizer = tokenizer_of(texts)
    references = {
        "minilm": SentenceTransformer(str(minilm), device="cpu").encode(texts).tolist(),
        "trials": embedders(folder, tokenizer, texts),
        "scores": cross_encoder(folder / "cross-encoder", tokenizer, texts, None),
        "raw-scores": cross_encoder(folder / "raw-cross-encoder", tokenizer, texts, "torch.nn.modules.linear.Identity"),
        "classes": classifier(folder / "classifier", tokenizer, texts, LABELS),
        "tags": classifier(folder / "tagger", tokenizer, texts, LABELS, problem_type="multi_label_classification"),
    }
    (folder / "references.json").write_text(json.dumps(references))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
