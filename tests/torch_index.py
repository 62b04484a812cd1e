"""An index of packages whose torch is like the real one, but for its size."""

from __future__ import annotations

import zipfile
from pathlib import Path

ANYWHERE = "py3-none-any"


def index_with_torch(
    folder: Path, requires: str = "", *, tags: tuple[str, ...] = (ANYWHERE,), version: str = "2.13.0", name: str = "torch"
) -> str:
    """Makes it in `folder`, or adds to it, and returns its address.

    Args:
        requires: Lines of the metadata, such as ``Requires-Dist: nvidia-cublas``.
        tags: For which machines there are wheels.
        name: Of a package that stands for another in torch's place.
    """
    project = folder / name
    project.mkdir(parents=True)
    links = []
    for tag in tags:
        wheel = f"{name}-{version}-{tag}.whl"
        information = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(project / wheel, "w") as archive:
            archive.writestr(f"{name}/__init__.py", "")
            archive.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
            archive.writestr(f"{information}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            archive.writestr(f"{information}/RECORD", "")
        links.append(f'<a href="{wheel}">{wheel}</a>')
    (project / "index.html").write_text("\n".join(links))
    return folder.as_uri()
