from __future__ import annotations

import pytest

from jubako.errors import ModelNotFound
from jubako.messages import Snapshot, VersionStatus
from jubako.routing.catalog import Catalog
from tests.unit.dataplane.conftest import version


def catalog(*versions: VersionStatus) -> Catalog:
    return Catalog(Snapshot(serial=1, versions=list(versions)))


def test_every_name_of_a_model_means_it() -> None:
    names = catalog(version(model="qwen", served_names=["qwen", "qwen2:7b", "Qwen/Qwen2-7B"]))
    for name in ("qwen", "qwen2:7b", "Qwen/Qwen2-7B", "qwen:1", "qwen2:7b:1", "Qwen/Qwen2-7B:1"):
        assert names.find(name).model == "qwen"


def test_an_adapter_is_a_name_of_its_model() -> None:
    names = catalog(version(model="qwen", served_names=["qwen", "polite"], adapters=["polite"]))
    assert names.find("polite").model == names.find("polite:1").model == "qwen"


def test_without_a_version_the_latest_ready_one_is_meant() -> None:
    names = catalog(version(number=1), version(number=3, state="FAILED"), version(number=2))
    assert names.find("m").version == 2
    assert names.find("m:3").state == "FAILED"
    assert names.find("m:1").version == 1
    assert [model.version for model in names.models] == [2]


def test_if_none_is_ready_the_latest_that_may_become_so_is_meant() -> None:
    loading = version(number=1, state="LOADING"), version(number=2, state="UNAVAILABLE"), version(number=3, state="FAILED")
    assert catalog(*loading).find("m").version == 2
    assert catalog(version(number=1, state="FAILED"), version(number=2, state="UNLOADED")).find("m").version == 1


def test_a_served_name_wins_over_a_version() -> None:
    names = catalog(version(model="a", number=7), version(model="b", served_names=["b", "a:7"]))
    assert names.find("a:7").model == "b"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean 'smollm2'"):
        catalog(version(model="smollm2"), version(model="other")).find("smollm")
    with pytest.raises(ModelNotFound, match="'m'"):
        catalog(version()).find("zzzzzz")
    with pytest.raises(ModelNotFound, match="empty"):
        catalog().find("m")


def test_an_unknown_version_of_a_known_model_gets_the_versions_there_are() -> None:
    names = catalog(
        version(number=1, served_names=["m", "x:y"]), version(number=12, state="FAILED"), version(model="n", number=3)
    )
    for name in ("m:7", "x:y:7"):
        with pytest.raises(ModelNotFound, match="no version 7; it has 1, 12"):
            names.find(name)
    with pytest.raises(ModelNotFound, match="does not exist"):
        names.find("m:latest")


def test_what_is_unloaded_is_meant_only_if_nothing_else_is_there() -> None:
    names = catalog(version(number=1, state="LOADING"), version(number=2, state="UNLOADED"))
    assert names.find("m").version == 1
    assert names.find("m:2").state == "UNLOADED"
    assert catalog(version(number=2, state="UNLOADED")).find("m").version == 2


def test_every_version_is_listed_by_model_and_number() -> None:
    names = catalog(version(model="b", number=2), version(model="a", number=10), version(model="a", number=9, state="UNLOADED"))
    assert [(each.model, each.version) for each in names.versions] == [("a", 9), ("a", 10), ("b", 2)]
    assert [(each.model, each.version) for each in names.models] == [("a", 10), ("b", 2)]


def test_an_alias_means_its_version_behind_any_name() -> None:
    names = catalog(
        version(number=1, served_names=["m", "x:y"], aliases=["stable", "old"]),
        version(number=2, served_names=["m", "x:y"], aliases=["canary"], state="LOADING"),
        version(model="n", number=3, served_names=["n", "m@taken"]),
    )
    for name, number in (("m@stable", 1), ("x:y@old", 1), ("m@canary", 2), ("m@taken", 3)):
        assert names.find(name).version == number
    for name in ("m@none", "x:y@none"):
        with pytest.raises(ModelNotFound, match="has no alias 'none'; it has canary, old, stable"):
            names.find(name)
    with pytest.raises(ModelNotFound, match="'n' has no alias 'stable'; it has none"):
        names.find("n@stable")


def test_only_versions_of_the_policy_answer_to_a_name_without_one() -> None:
    canary = version(number=2, aliases=["canary"], has_name=False)
    assert catalog(version(number=1), canary).find("m").version == 1
    assert catalog(version(number=1, state="FAILED"), canary).find("m").state == "FAILED"
    assert [model.version for model in catalog(version(number=1), canary).models] == [1]
