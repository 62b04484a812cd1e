"""Pictures in a Python package: what becomes of them, and what is refused before it is sent."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from jubako_client import AsyncClient, Client, InvalidRequest
from PIL import Image

from jubako.clientgen.package import Package
from jubako.clientgen.python.emitter import python_files
from tests.unit.clientgen.models import tensor, tensor_model, text_model

Inputs = dict[str, object]

COLOURS = [[(255, 0, 0), (0, 255, 0), (0, 0, 255)], [(200, 100, 50), (0, 0, 0), (255, 255, 255)]]
LUMA = [[76, 150, 29], [124, 0, 255]]
"""0.299 of red, 0.587 of green and 0.114 of blue."""

ORIENTATION = 0x0112


def picture(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.array(COLOURS, np.uint8)).convert(mode)


def encoded(image: Image.Image, form: str = "PNG", orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    written = BytesIO()
    image.save(written, form, exif=exif)
    return written.getvalue()


def pixels(content: object) -> npt.NDArray[np.uint8]:
    assert isinstance(content, bytes)
    return np.asarray(Image.open(BytesIO(content)))


@pytest.fixture(scope="module")
def package(python_package: Path) -> ModuleType:
    return importlib.import_module("nasty_models")


@pytest.fixture(scope="module")
def read(package: ModuleType) -> Callable[..., Inputs]:
    """The inputs of a model as they are to be sent, such as ``read("picture", colours="a.png")``."""
    interfaces = importlib.import_module("nasty_models._interface").INTERFACES
    with_images = importlib.import_module("nasty_models._images").with_images
    checked = importlib.import_module("nasty_models._tensors").checked

    def read(model: str, **inputs: object) -> Inputs:
        found: Inputs = checked(interfaces[model], with_images(interfaces[model], inputs))
        return found

    return read


@pytest.fixture
def models(package: ModuleType) -> ModuleType:
    """The models of a server that nobody runs."""
    found: ModuleType = package.Models(Client("127.0.0.1:1", retries=0))
    return found


# --- pixels ---------------------------------------------------------------------------------------------------------------


def test_an_image_a_path_and_the_contents_of_a_file_are_the_same(read: Callable[..., Inputs], tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(picture()))
    for given in (picture(), file, str(file), file.read_bytes(), np.array(COLOURS, np.uint8), COLOURS):
        found = read("picture", colours=given)["colours"]
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.tolist()) == (np.uint8, np.array(COLOURS).tolist())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "YCbCr", "HSV", "CMYK", "P"])
def test_colours_come_from_every_mode_that_has_them(mode: str, read: Callable[..., Inputs]) -> None:
    found = read("picture", colours=picture(mode))["colours"]
    # Not every mode holds every colour exactly.
    np.testing.assert_allclose(np.asarray(found, int), np.array(COLOURS), atol=5)


def test_a_model_of_one_channel_gets_luma(read: Callable[..., Inputs]) -> None:
    large = picture().resize((6, 4), Image.Resampling.NEAREST)
    for image in (large, large.convert("L"), large.convert("LA"), large.convert("RGBA")):
        found = np.asarray(read("picture", Pixels=image)["Pixels"])
        assert found.shape == (4, 6, 1)
        assert found[::2, ::2, 0].tolist() == LUMA


def test_grey_and_black_and_white_become_colours(read: Callable[..., Inputs]) -> None:
    assert np.asarray(read("picture", colours=picture("L"))["colours"])[..., 1].tolist() == LUMA
    white = Image.new("1", (2, 1), 1)
    assert np.asarray(read("picture", colours=white)["colours"]).tolist() == [[[255] * 3] * 2]


def test_alpha_is_kept_where_there_are_four_channels_and_dropped_elsewhere(read: Callable[..., Inputs]) -> None:
    half = Image.new("RGBA", (3, 4), (10, 20, 30, 128))
    found = np.asarray(read("pictures", rows=[half, Image.new("RGB", (3, 4), (1, 2, 3))])["rows"])
    assert found.shape == (2, 4, 3, 4)
    assert found[:, 0, 0].tolist() == [[10, 20, 30, 128], [1, 2, 3, 255]]
    assert np.asarray(read("picture", colours=half)["colours"])[0, 0].tolist() == [10, 20, 30]


def test_a_palette_with_transparent_colours_is_read_without_a_warning(read: Callable[..., Inputs]) -> None:
    image = picture().quantize(4)
    image.info["transparency"] = bytes([0, 128, 255, 255])
    file = encoded(image)
    assert np.asarray(read("picture", colours=file)["colours"]).shape == (2, 3, 3)
    four = np.asarray(read("pictures", rows=[Image.open(BytesIO(file)).resize((3, 4), Image.Resampling.NEAREST)])["rows"])
    assert 0 in four[..., 3]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pictures_stand_upright(form: str, read: Callable[..., Inputs]) -> None:
    lying = Image.new("RGB", (48, 32), "black")
    lying.paste("white", (0, 0, 48, 8))
    upright = np.asarray(read("picture", colours=encoded(lying, form, orientation=6))["colours"])
    assert upright.shape == (48, 32, 3)
    assert upright[:, 26:].min() > 200
    assert upright[:, :22].max() < 50
    assert np.array_equal(upright, np.asarray(read("picture", colours=Image.open(BytesIO(encoded(lying, form, 6))))["colours"]))


# --- files ----------------------------------------------------------------------------------------------------------------


def test_files_are_sent_as_they_are(read: Callable[..., Inputs], tmp_path: Path) -> None:
    lying = encoded(picture(), "JPEG", orientation=6)
    file = tmp_path / "lying.jpg"
    file.write_bytes(lying)
    for given in (file, str(file), lying, [lying], [file], np.array([lying], object)):
        found = np.asarray(read("picture", with_images=given)["with_images"])
        assert (found.shape, found.tolist()) == ((1,), [lying])
    assert np.asarray(read("picture", files=[file, b"anything"])["files"]).tolist() == [lying, b"anything"]
    for batch in ([file, lying], [[file], [lying]]):
        assert np.asarray(read("pictures", files=batch)["files"]).tolist() == [[lying], [lying]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "PA", "CMYK", "RGBX", "YCbCr"])
def test_an_image_becomes_a_png(mode: str, read: Callable[..., Inputs]) -> None:
    image = Image.new("I;16", (2, 2), 40_000) if mode == "I;16" else picture(mode)
    (content,) = np.asarray(read("picture", with_images=image)["with_images"]).tolist()
    assert content.startswith(b"\x89PNG")
    if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        assert pixels(content).tolist() == np.asarray(image).tolist()
    else:
        assert pixels(content)[0, 0, 0] > 200


def test_an_image_is_upright_before_it_becomes_a_png(read: Callable[..., Inputs]) -> None:
    lying = Image.open(BytesIO(encoded(picture(), orientation=6)))
    (content,) = np.asarray(read("picture", with_images=lying)["with_images"]).tolist()
    assert Image.open(BytesIO(content)).getexif().get(ORIENTATION) is None
    assert np.array_equal(pixels(content), np.rot90(np.array(COLOURS, np.uint8), -1))


# --- what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (
            "picture",
            {"Pixels": picture()},
            "'Pixels' of 'picture' must be 6 pixels wide and 4 pixels high; a picture of 3 x 2 came",
        ),
        ("pictures", {"rows": [picture()]}, "'rows' of 'pictures' must be 4 pixels high; a picture of 3 x 2 came"),
        (
            "pictures",
            {"rows": [Image.new("L", (1, 4)), Image.new("L", (2, 4)), Image.new("L", (1, 4))]},
            "must be pictures of one size; theirs are 1 x 4, 2 x 4\\.",
        ),
        ("pictures", {"rows": "a.png"}, "must be a list of pictures, one for each row of the batch"),
        ("pictures", {"rows": Image.new("L", (1, 4))}, "must be a list of pictures"),
        ("pictures", {"rows": [Image.new("L", (1, 4)), [[[0]]]]}, "nothing but pictures"),
        ("pictures", {"rows": []}, r"must have the shape \[batch, 4, any, 4\]; \[0\] came"),
        ("pictures", {"files": [b"", [b""]]}, "must hold text or bytes"),
        ("picture", {"colours": [picture()]}, "must be one picture; a list came"),
        ("picture", {"colours": b"GIF89a"}, "must be a picture, and Pillow can't read what came"),
        ("picture", {"colours": encoded(picture())[:60]}, "Pillow can't read what came"),
        ("picture", {"colours": __file__}, r"Pillow can't read '.*test_python_images\.py'"),
        ("picture", {"colours": Image.new("I;16", (1, 1))}, "takes 8 bits a channel, and a picture of the mode 'I;16' came"),
        ("picture", {"colours": Image.new("F", (1, 1))}, "takes 8 bits a channel"),
        ("picture", {"colours": 3}, r"must have the shape \[any, any, 3\]"),
        ("picture", {"with_images": Image.new("F", (1, 1))}, "takes 8 bits a channel"),
        ("picture", {"with_images": [b"", b""]}, r"must have the shape \[1\]; \[2\] came"),
        ("picture", {"files": picture()}, r"must have the shape \[any\]; \[\] came"),
    ],
)
def test_what_does_not_fit_is_refused(model: str, inputs: Inputs, message: str, read: Callable[..., Inputs]) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        read(model, **inputs)
    assert str(refused.value).endswith(".")
    assert refused.value.param in inputs


async def test_it_is_refused_before_it_is_sent(models: ModuleType, package: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="6 pixels wide"):
        models.picture.infer(colours=picture(), Pixels=picture(), with_images_=b"")
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        models.picture.infer(colours=tmp_path / "none.png", with_images_=b"")
    with pytest.raises(InvalidRequest, match="one for each row"):
        list(models.pictures.infer(rows=picture(), files=[]))
    async with AsyncClient("127.0.0.1:1", retries=0) as client:
        with pytest.raises(FileNotFoundError, match=r"none\.png"):
            await package.AsyncModels(client).picture.infer(colours=tmp_path / "none.png", with_images_=b"")


def test_without_pictures_a_package_has_nothing_of_pillow() -> None:
    models = [tensor_model("m", [tensor("x", "UINT8", (2, 2, 3))], []), text_model("t", "chat")]
    files = python_files(Package(name="m", version="1.0.0", models=models))
    assert "src/m/_images.py" not in files
    assert not [name for name, text in files.items() if "PIL" in text or "pillow" in text.lower()]
