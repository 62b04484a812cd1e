"""Text from tokens one at a time is the text of all of them at once, for every kind of tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from jubako.backends.text.detokenizer import Detokenizer

CORPUS = [
    "The bento has three tiers: rice, fish, and pickles.",
    "Don't put the pickles on the rice; they're sour, aren't they?",
    "naïve café, Straße, Ωmega, здравствуй мир",
    "日本語の弁当箱は三段です。",
    "emoji: 🍱🥢🍙 and a family 👨‍👩‍👧 and flags 🇯🇵🇳🇴",
    "  two spaces,\ttabs\nand new lines\n\n",
]
SPECIAL = ["<s>", "</s>", "<|tool|>"]

Make = Callable[[], Tokenizer]


def byte_level() -> Tokenizer:
    """As GPT-2, Llama 3, Qwen and SmolLM2 have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    """As T5 and XLM-R have it: a space is part of the word after it, and the first one is left out."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=["<unk>", *SPECIAL], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Llama 2, Mistral and Gemma have it: spaces are joined, and what is not in the vocabulary comes byte by byte."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", *SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([line for line in CORPUS if line.isascii()], trainer)
    # The bytes are ordinary tokens, though the trainer must be told of them as special ones.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(state))


def word_piece() -> Tokenizer:
    """As BERT has it: spaces between words are made up."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=True)
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", *SPECIAL], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def word_ends() -> Tokenizer:
    """As the first GPT has it: words end with a mark, which becomes a space if another follows."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", *SPECIAL], end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


KINDS: list[Make] = [byte_level, metaspace, byte_fallback, word_piece, word_ends]
EXACT: list[Make] = [byte_level, metaspace, word_piece, word_ends]
"""Those whose decoders give the same text for broken characters however they are cut."""

TEXTS = st.text(st.sampled_from("abc theTH.,'!?\n éßñЖ日本語🍱👨‍👩‍👧🇯🇵\ufffd\x00"), max_size=40)


@cache
def made(make: Make) -> Tokenizer:
    tokenizer = make()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    return tokenizer


def special_ids(tokenizer: Tokenizer) -> set[int]:
    return {token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special}


def decode(tokenizer: Tokenizer) -> Callable[[Sequence[int]], str]:
    return lambda tokens: tokenizer.decode(list(tokens), skip_special_tokens=False)


def streamed(tokenizer: Tokenizer, tokens: list[int]) -> list[str]:
    detokenizer = Detokenizer(decode(tokenizer), special_ids(tokenizer))
    return [*(detokenizer.feed([token]) for token in tokens), detokenizer.flush()]


@pytest.mark.parametrize("make", KINDS)
@given(text=TEXTS)
@example("日本語 🍱🥢 naïve ﷽")
@example("a  b   c")
@example(" leading and trailing ")
@example("\ufffd\ufffd\ufffd\ufffd\ufffd and on")
def test_pieces_join_to_the_whole(make: Make, text: str) -> None:
    tokenizer = made(make)
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    assert "".join(streamed(tokenizer, tokens)) == tokenizer.decode(tokens)


@pytest.mark.parametrize("make", EXACT)
@given(data=st.data())
def test_so_they_do_for_tokens_in_any_order(make: Make, data: st.DataObject) -> None:
    tokenizer = made(make)
    tokens = data.draw(st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=30))
    assert "".join(streamed(tokenizer, tokens)) == tokenizer.decode(tokens)


@pytest.mark.parametrize("make", KINDS)
@given(text=TEXTS, data=st.data())
def test_special_tokens_leave_no_trace(make: Make, text: str, data: st.DataObject) -> None:
    tokenizer = made(make)
    special = sorted(special_ids(tokenizer))
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    for place in data.draw(st.lists(st.integers(0, len(tokens)), max_size=5)):
        tokens.insert(place, data.draw(st.sampled_from(special)))
    assert "".join(streamed(tokenizer, tokens)) == tokenizer.decode(tokens)


@pytest.mark.parametrize("make", [byte_level, byte_fallback])
def test_no_part_of_a_character_is_given_out(make: Make) -> None:
    tokenizer = made(make)
    text = "rice 🍱 and 🥢, 日本"
    tokens = tokenizer.encode(text).ids
    pieces = streamed(tokenizer, tokens)
    assert len(tokens) > len(text.split()), "the characters are spread over several tokens"
    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) == text


@pytest.mark.parametrize("make", [byte_level, byte_fallback])
def test_a_character_that_is_never_finished_comes_with_the_end(make: Make) -> None:
    tokenizer = made(make)
    tokens = tokenizer.encode("a 🍱").ids[:-1]
    *pieces, rest = streamed(tokenizer, tokens)
    assert "".join(pieces) in ("a", "a ")
    assert set(rest.strip()) == {"\ufffd"}


def test_bytes_that_are_no_characters_do_not_hold_up_the_stream() -> None:
    tokenizer = made(byte_level)
    broken = tokenizer.token_to_id("ÿ")
    assert broken is not None
    pieces = streamed(tokenizer, [broken] * 50)
    assert sum(map(bool, pieces[:-1])) > 40
    assert "".join(pieces) == "\ufffd" * 50


def test_each_token_costs_the_same_however_long_the_text() -> None:
    tokenizer = made(byte_level)
    tokens = tokenizer.encode(CORPUS[0] * 20).ids
    longest = 0

    def counting(window: Sequence[int]) -> str:
        nonlocal longest
        longest = max(longest, len(window))
        return tokenizer.decode(list(window))

    detokenizer = Detokenizer(counting)
    for token in tokens:
        detokenizer.feed([token])
    assert longest <= 4
