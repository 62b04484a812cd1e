"""Pictures as the server wants them: pixels, or image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from typing import Final, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ._interface import Interface, Tensor
from ._tensors import Array, wrong

__all__ = ["AnyImage", "AnyImages", "with_images"]

AnyImage: TypeAlias = "Image.Image | str | PathLike[str] | bytes"
"""An image of Pillow, the path of an image file, or what is in such a file."""

AnyImages: TypeAlias = "Sequence[AnyImage | AnyImages]"
"""Lists of images, and lists of such lists, as deep as the tensor has dimensions that tell images apart."""

_MODES: Final[Mapping[int, str]] = {1: "L", 3: "RGB", 4: "RGBA"}
"""By the number of channels: what Pillow calls them."""

_PNG_MODES: Final = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def with_images(interface: Interface, given: Mapping[str, object]) -> dict[str, object]:
    """The inputs, with arrays in the place of pictures. Arrays and lists of numbers stay as they are.

    A picture is turned upright, as its EXIF data say, and becomes grey, RGB or RGBA, as the model wants it. It is never scaled. A
    file whose contents the model wants is not looked into.

    Raises:
        InvalidRequest: something is no picture, or has another size than it must have.
        OSError: a file can't be read.
    """
    found = dict(given)
    for name, value in given.items():
        tensor = interface.inputs[name]
        if tensor.content == "image" and value is not None:
            found[name] = (_files if tensor.datatype == "BYTES" else _pixels)(interface, tensor, value)
    return found


def _is_image(value: object) -> TypeGuard[AnyImage]:
    return isinstance(value, (Image.Image, str, PathLike, bytes))


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence)


def _in_file(image: str | PathLike[str] | bytes) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _opened(interface: Interface, tensor: Tensor, image: AnyImage) -> Image.Image:
    """A picture that is upright and whole in memory."""
    given = image if isinstance(image, Image.Image) else BytesIO(_in_file(image))
    try:
        upright = ImageOps.exif_transpose(given if isinstance(given, Image.Image) else Image.open(given))
        upright.load()
    except (OSError, SyntaxError, ValueError) as error:
        shown = "what came" if isinstance(image, (Image.Image, bytes)) else repr(fspath(image))
        raise wrong(interface, tensor, f"must be a picture, and Pillow can't read {shown}") from error
    return upright


def _converted(interface: Interface, tensor: Tensor, image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        # Pillow would cut off whatever is above 255.
        what = f"takes 8 bits a channel, and a picture of the mode {image.mode!r} came. Bring its values to 0 to 255"
        raise wrong(interface, tensor, what)
    # Straight to other modes some kinds of transparency give warnings.
    return (image.convert("RGBA") if image.has_transparency_data else image).convert(mode)


# --- pixels ---------------------------------------------------------------------------------------------------------------


def _pixels(interface: Interface, tensor: Tensor, value: object) -> object:
    """UINT8 of the shape [height, width, channels], or a batch of that."""
    if _is_image(value):
        if interface.batched:
            raise wrong(interface, tensor, "must be a list of pictures, one for each row of the batch; a single one came")
        return _array(interface, tensor, value)
    if not _is_list(value) or not any(map(_is_image, value)):
        return value
    if not interface.batched:
        raise wrong(interface, tensor, "must be one picture; a list came")
    arrays = [_array(interface, tensor, each) for each in value]
    sizes = dict.fromkeys(map(_size, arrays))
    if len(sizes) > 1:
        raise wrong(interface, tensor, f"must be pictures of one size; theirs are {', '.join(sizes)}")
    return np.stack(arrays)


def _array(interface: Interface, tensor: Tensor, value: object) -> npt.NDArray[np.uint8]:
    if not _is_image(value):
        raise wrong(interface, tensor, "must hold nothing but pictures, or else nothing but numbers")
    height, width, channels = tensor.shape
    image = _converted(interface, tensor, _opened(interface, tensor, value), _MODES[channels])
    array = np.atleast_3d(np.asarray(image, np.uint8))
    if width not in (-1, image.width) or height not in (-1, image.height):
        wanted = " and ".join(
            f"{size} pixels {direction}" for size, direction in ((width, "wide"), (height, "high")) if size != -1
        )
        raise wrong(interface, tensor, f"must be {wanted}; a picture of {_size(array)} came. Scale or crop it")
    return array


def _size(array: npt.NDArray[np.uint8]) -> str:
    height, width, _ = array.shape
    return f"{width} x {height}"


# --- files ----------------------------------------------------------------------------------------------------------------


def _files(interface: Interface, tensor: Tensor, value: object) -> Array:
    """BYTES with a file in each element."""
    nested = value.tolist() if isinstance(value, np.ndarray) else value
    array = np.asarray(_contents(interface, tensor, nested), object)
    lacks_one = array.ndim == len(tensor.shape) + interface.batched - 1
    return array[..., np.newaxis] if tensor.shape[-1:] == (1,) and lacks_one else array


def _contents(interface: Interface, tensor: Tensor, value: object) -> object:
    """`value` with the contents of a file in the place of each picture."""
    if _is_image(value):
        return _png(interface, tensor, value) if isinstance(value, Image.Image) else _in_file(value)
    return [_contents(interface, tensor, each) for each in value] if _is_list(value) else value


def _png(interface: Interface, tensor: Tensor, image: Image.Image) -> bytes:
    image = _opened(interface, tensor, image)
    if image.mode not in _PNG_MODES:
        image = _converted(interface, tensor, image, "RGBA" if image.has_transparency_data else "RGB")
    written = BytesIO()
    image.save(written, "PNG")
    return written.getvalue()
