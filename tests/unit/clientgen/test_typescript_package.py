"""A TypeScript package, made of models with everything that is hard: its style and its types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jubako.clientgen.package import Package, write_package
from jubako.clientgen.typescript.emitter import typescript_files
from tests.unit.clientgen.checking import NODE_TOOLS, build_node_package, check_node_style, install_node_client, run
from tests.unit.clientgen.models import NASTY, tensor, tensor_model

pytestmark = pytest.mark.skipif(
    not NODE_TOOLS.is_dir(), reason="Node's packages are not installed; `make install-node` does that."
)

USE = """\
import { Client } from "@jubako/client";
import { type ModelName, Models, Tensors } from "./index.js";

export async function use(): Promise<void> {
  const models = new Models(new Client());
  const stable = models.talk.at({ alias: "stable" });
  console.log((await stable.chat("Say hello.", { maxTokens: 3 })).text);
  const outputs = await models.tensors.infer({
    "x:0": { shape: [1, 1, 3], data: [1, 2, 3] },
    x_0: { shape: [1], data: Float32Array.of(0) },
    self: { shape: [1, 2, 2], data: [true, false, true, false] },
    timeout_s: { shape: [1, 1], data: [1] },
    入力: { shape: [1, 1], data: [1n] },
    "q\\"'\\n\\\\": { shape: [1, 1], data: [1] },
    _hidden: { shape: [1, 1], data: [1] },
    "1st": { shape: [1, 1], data: [1n] },
  });
  const pixels = { width: 6, height: 4, data: new Uint8ClampedArray(96) };
  const file = new Uint8Array(3);
  await models.picture.infer({ colours: pixels, Pixels: pixels, with_images: { shape: [1], data: [file] } });
  const colours = { shape: [4, 6, 3], data: new Uint8Array(72) };
  await models.picture.infer({ colours, with_images: { shape: [1], data: [file] } });
  for await (const answer of models.pictures.infer({ rows: [pixels, pixels], files: { shape: [2, 1], data: [file, file] } })) {
    console.log(answer.o.data);
  }
  const label: "a" | 'b"c' | "it's" | undefined = Tensors.interface.outputs.np.labels[0];
  const name: ModelName = "Org/Talk-135M";
  const first: Float32Array = outputs.np.data;
  for await (const answer of models.stream.infer({ n: { shape: [1], data: [1] } })) {
    console.log(label, name, first, answer.o.data);
  }
}
"""

PICTURES = """\
import { readFileSync } from "node:fs";
import { withImages } from "./images.js";
import { Picture, type PictureInputs, Pictures, type PicturesInputs } from "./index.js";
import { tensorInputs } from "./model.js";

function one(inputs: PictureInputs) {
  return tensorInputs(Picture.interface, withImages(Picture.interface, inputs));
}

function several(inputs: PicturesInputs) {
  return tensorInputs(Pictures.interface, withImages(Pictures.interface, inputs));
}

function refused(ask: () => unknown): string {
  try {
    ask();
  } catch (error) {
    return String(error);
  }
  return "nothing";
}

const image = { width: 6, height: 4, data: readFileSync(process.argv[2] ?? "") };
const clamped = { ...image, data: Uint8ClampedArray.from(image.data) };
const small = { width: 1, height: 1, data: new Uint8Array(4) };
const file = { shape: [1], data: [Uint8Array.of(1, 2)] };
const files = { shape: [2, 1], data: [...file.data, ...file.data] };
const { colours, Pixels: grey, with_images: sent } = one({ colours: clamped, Pixels: image, with_images: file });
const { rows } = several({ rows: [image, clamped], files });
console.log(
  JSON.stringify({
    colours: { shape: colours?.shape, data: [...(colours?.data ?? [])] },
    grey: { shape: grey?.shape, data: [...(grey?.data ?? [])] },
    rows: { shape: rows?.shape, data: [...(rows?.data ?? [])] },
    same: sent?.data === file.data,
    refused: [
      refused(() => one({ colours: { ...image, width: 5 }, with_images: file })),
      refused(() => one({ colours: image, Pixels: small, with_images: file })),
      refused(() => several({ rows: [small, small], files })),
      refused(() => several({ rows: [image, { ...image, width: 4, height: 6 }], files })),
      refused(() => several({ rows: [], files })),
    ],
  }),
);
"""

REFUSED = [
    "'colours' of 'picture' must hold 80 numbers for 5 x 4 pixels; 96 came.",
    "'Pixels' of 'picture' must be 6 pixels wide and 4 pixels high; a picture of 1 x 1 came. Scale or crop it.",
    "'rows' of 'pictures' must be 4 pixels high; a picture of 1 x 1 came. Scale or crop it.",
    "'rows' of 'pictures' must be pictures of one size; theirs are 6 x 4, 4 x 6.",
    "'rows' of 'pictures' must hold at least one picture.",
]

WRONG = {
    "models.talk.at({ version: 3 });": "TS2322",
    'models.talk.at({ alias: "unheard" });': "TS2322",
    'models.class.complete("x");': "TS2339",
    "models.stream.infer({});": "TS2741",
    "models.stream.infer({ n: { shape: [1], data: [1n] } });": "TS2322",
    "models.picture.infer({ colours: [], with_images: { shape: [1], data: [] } });": "TS2322",
    "models.stream.infer({ m: { shape: [1], data: [1] } });": "TS2353",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("node")
    install_node_client(root)
    folder = root / "nasty"
    write_package(typescript_files(Package(name="nasty-models", version="1.2.3", models=NASTY)), folder)
    return folder


def test_it_is_formatted_and_free_of_lint(package: Path) -> None:
    check_node_style(package)


def test_it_and_its_use_are_typed(package: Path) -> None:
    use = package / "src" / "use.ts"
    use.write_text(USE)
    try:
        build_node_package(package)
    finally:
        use.unlink()


def test_pixels_become_what_pillow_makes_of_them(package: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 4), np.uint8)
    image = Image.fromarray(pixels)
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    program = package / "src" / "pictures.ts"
    program.write_text(PICTURES)
    try:
        build_node_package(package)
    finally:
        program.unlink()
    told = json.loads(run("node", package / "dist" / "pictures.js", tmp_path / "pixels", cwd=package))
    for name, expected in (
        ("colours", np.asarray(image.convert("RGB"))),
        ("grey", np.asarray(image.convert("RGB").convert("L"))[..., np.newaxis]),
        ("rows", np.stack([pixels, pixels])),
    ):
        assert told[name] == {"shape": list(expected.shape), "data": expected.ravel().tolist()}, name
    assert told["same"]
    assert told["refused"] == [f"InvalidRequest: The input {refused}" for refused in REFUSED]


def test_without_pictures_a_package_has_no_code_for_them() -> None:
    models = [tensor_model("m", [tensor("x", "UINT8", (2, 2, 3)), tensor("f", "BYTES", content="image")], [])]
    files = typescript_files(Package(name="m", version="1.0.0", models=models))
    assert "src/images.ts" not in files
    assert not [name for name, text in files.items() if "Pixels" in text or "withImages" in text]


def test_wrong_uses_are_refused_before_they_run(package: Path) -> None:
    lines = "\n".join(f"  {line}" for line in WRONG)
    text = f'import type {{ Models }} from "./index.js";\n\nexport function wrong(models: Models): void {{\n{lines}\n}}\n'
    (package / "src" / "wrong.ts").write_text(text)
    try:
        with pytest.raises(AssertionError) as refused:
            run(NODE_TOOLS / "tsc", "--noEmit", "--project", package, cwd=package)
    finally:
        (package / "src" / "wrong.ts").unlink()
    said = str(refused.value)
    for number, (line, reason) in enumerate(WRONG.items()):
        assert f"wrong.ts({number + 4}," in said, f"{line}\n{said}"
        assert reason in said, f"{line}\n{said}"
