"""Checks objects against the types of KServe's and Kubernetes' own packages, in which a field that is not known is wrong.

Run by the interpreter that has them: `kserve_objects.py FILE` with a JSON list of objects; prints a JSON list of what is wrong.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve.models
import kubernetes.client.models

KINDS = {
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): "V1alpha1ServingRuntime",
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceService",
}
PLAIN: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}
AS_THEY_ARE = {"object", "datetime", "IntOrString", "ResourceQuantity"}


def wrong(value: Any, kind: str, path: str) -> Iterator[str]:
    """What is wrong in `value`, which is to be a `kind` in the words of the packages, such as ``list[V1Container]``."""
    if found := re.fullmatch(r"[lL]ist\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for index, each in enumerate(value):
            yield from wrong(each, found[1], f"{path}[{index}]")
    elif found := re.fullmatch(r"[dD]ict[\[(]str, (.+)[\])]", kind):
        for name, each in value.items():
            yield from wrong(each, found[1], f"{path}.{name}")
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]):
            yield f"{path} is no {kind}"
    elif kind not in AS_THEY_ARE:
        yield from _wrong_fields(value, kind, path)


def _wrong_fields(value: Any, kind: str, path: str) -> Iterator[str]:
    known = getattr(kserve.models, kind, None) or getattr(kubernetes.client.models, kind)
    types = {known.attribute_map[attribute]: type_ for attribute, type_ in known.openapi_types.items()}
    for name, each in value.items():
        if name in types:
            yield from wrong(each, types[name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is not known"
    given = {attribute: value[name] for attribute, name in known.attribute_map.items() if name in value}
    try:
        known(**given)  # says what is required and missing
    except ValueError as error:
        yield f"{path}: {error}"


if __name__ == "__main__":
    objects = json.loads(Path(sys.argv[1]).read_text())
    problems = [each for one in objects for each in wrong(one, KINDS[one["apiVersion"], one["kind"]], one["kind"])]
    sys.stdout.write(json.dumps(problems))
