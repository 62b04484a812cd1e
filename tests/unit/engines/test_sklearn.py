"""scikit-learn models in this process."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jubako.backends.sklearn.engine import SklearnEngine
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.tensors import Signature
from tests.unit.engines.specs import assert_near, read_only, run, spec_of, tensor

ROWS = np.random.default_rng(7).random((60, 4))
CLASSES = ["ant", "bee", "cow"] * 20
BAGS = ["a good day", "a bad day"] * 10


def load(estimator: object, file: Path, **entry: object) -> tuple[SklearnEngine, Signature]:
    skops.io.dump(estimator, file)
    engine = SklearnEngine(spec_of(file, **entry))  # type: ignore[arg-type]
    return engine, engine.load()


def test_a_classifier_gives_classes_and_probabilities(tmp_path: Path) -> None:
    model = LogisticRegression().fit(ROWS, CLASSES)
    engine, signature = load(model, tmp_path / "model.skops")
    assert signature == Signature(
        inputs=[tensor("input", "FP64", 4)],
        outputs=[tensor("predict", "BYTES"), tensor("predict_proba", "FP64", 3, labels=["ant", "bee", "cow"])],
        max_batch_size=32,
        platform="sklearn",
    )
    given = run(engine, {"input": read_only(ROWS[:5])}, "predict", "predict_proba")
    assert given["predict"].tolist() == model.predict(ROWS[:5]).tolist()
    np.testing.assert_array_equal(given["predict_proba"], model.predict_proba(ROWS[:5]))
    assert list(run(engine, {"input": ROWS[:5]}, "predict")) == ["predict"]


def test_the_entry_may_say_another_name_and_datatype(tmp_path: Path) -> None:
    model = LinearRegression().fit(ROWS, ROWS[:, :2])
    engine, signature = load(model, tmp_path / "model.skops", inputs=[tensor("x", "FP32", 4)], max_batch_size=5)
    assert (signature.inputs, signature.outputs) == ([tensor("x", "FP32", 4)], [tensor("predict", "FP64", 2)])
    assert_near(run(engine, {"x": ROWS[:3].astype(np.float32)}, "predict")["predict"], ROWS[:3, :2])


def test_transformers_and_other_methods_are_served(tmp_path: Path) -> None:
    engine, signature = load(StandardScaler().fit(ROWS), tmp_path / "model.skops")
    assert signature.outputs == [tensor("transform", "FP64", 4)]
    assert abs(run(engine, {"input": ROWS}, "transform")["transform"].mean()) < 1e-9
    _, signature = load(KMeans(3, n_init=1).fit(ROWS), tmp_path / "model.skops", engine={"methods": ["transform", "predict"]})
    assert [output.name for output in signature.outputs] == ["transform", "predict"]


def test_a_model_of_text_takes_bytes(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(BAGS, [1, 0] * 10)
    file = tmp_path / "model.skops"
    engine, _ = load(model, file, inputs=[tensor("text", "BYTES", 1)], max_batch_size=8)
    assert run(engine, {"text": np.array([[b"good"], [b"bad"]], dtype=object)}, "predict")["predict"].tolist() == [1, 0]
    with pytest.raises(ConfigurationError, match="The model does not say what it takes"):
        load(model, file)


def test_types_that_nobody_trusts_are_refused(tmp_path: Path) -> None:
    forest = RandomForestClassifier(3).fit(ROWS, CLASSES)
    with pytest.raises(ConfigurationError, match=r"write `trusted: \[sklearn.tree._tree.Tree\]` under `engine`"):
        load(forest, tmp_path / "model.skops")
    engine, _ = load(forest, tmp_path / "model.skops", engine={"trusted": ["sklearn.tree._tree.Tree"]})
    assert run(engine, {"input": ROWS}, "predict")["predict"].tolist() == forest.predict(ROWS).tolist()


def test_a_pickle_is_read_only_if_the_entry_says_so(tmp_path: Path) -> None:
    file = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit(ROWS, ROWS[:, 0]), file)
    with pytest.raises(ConfigurationError, match="reading any other can run any code"):
        SklearnEngine(spec_of(file)).load()
    assert SklearnEngine(spec_of(file, engine={"allow_pickle": True})).load().outputs == [tensor("predict", "FP64")]


def test_mistakes_are_told(tmp_path: Path) -> None:
    model, file = LinearRegression().fit(ROWS, ROWS[:, 0]), tmp_path / "model.skops"
    with pytest.raises(ConfigurationError, match=r"A LinearRegression has no method 'predict_proba'. It has: predict."):
        load(model, file, engine={"methods": ["predict_proba"]})
    with pytest.raises(ConfigurationError, match=r"takes one input, of all features; model.yaml names 2"):
        load(model, file, inputs=[tensor("a", "FP32", 1), tensor("b", "FP32", 3)])
    with pytest.raises(ConfigurationError, match=r"the shape \[5\]; in the model's file it is \[4\]"):
        load(model, file, inputs=[tensor("x", "FP32", 5)])
    engine, _ = load(model, file)
    with pytest.raises(InvalidRequest, match="NaN"):
        run(engine, {"input": np.full((1, 4), np.nan)}, "predict")
