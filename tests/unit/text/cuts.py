"""Texts, and every way to cut them into pieces."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def cut_text(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[str]:
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)))))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
