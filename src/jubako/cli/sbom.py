"""`jubako sbom`: what is in a container's image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from jubako.cli.artifact import reference_of
from jubako.cli.repository import PlainHttp
from jubako.cli.terminal import USAGE, out, sentences
from jubako.errors import ConfigurationError
from jubako.oci.credentials import find_credentials
from jubako.oci.reference import Reference
from jubako.oci.referrers import attach
from jubako.oci.remote import RemoteRepository
from jubako.packaging.sbom import FILE_NAME, MEDIA_TYPE, Contents, bill_of_materials, contents_of
from jubako.packaging.tool import Tool, working_tool


def sbom(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image that `jubako containerize` made, on this machine.")],
    *,
    target: Annotated[
        str,
        typer.Option(
            "--attach",
            metavar="oci://REGISTRY/NAME[:TAG][@DIGEST]",
            show_default=False,
            help="Put it beside the image in the registry to which it was pushed.",
        ),
    ] = "",
    plain_http: PlainHttp = False,
    tool: Annotated[
        Tool | None,
        typer.Option("--backend", show_default=False, help="Who has the image. Default: the first that works."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here.", show_default=False)] = None,
) -> None:
    """Print what is in an image as a bill of materials, CycloneDX in JSON: Debian's packages, Python's, and the models."""
    with sentences(USAGE):
        chosen = working_tool(tool)
        if chosen == "buildah":
            raise ConfigurationError("buildah runs no images: say --backend podman or --backend docker.")
        reference = reference_of(target, plain_http) if target else None
    with sentences():
        contents = contents_of(image, chosen)
        if reference is None or file is not None:
            _write(bill_of_materials(contents), file)
        if reference is not None:
            out.print(Text(attach_bill(contents, reference).source))


def attach_bill(contents: Contents, reference: Reference) -> Reference:
    """Put an image's bill of materials beside it in the registry, and return its own reference.

    Raises:
        ConfigurationError: it is another image that is there, or the registry refuses.
    """
    with RemoteRepository(reference, find_credentials(reference)) as remote:
        subject, manifest = remote.manifest(reference.wanted)
        if contents.id not in (manifest.config.digest, subject.digest):
            raise ConfigurationError(f"{reference} is another image than {contents.name} of this machine. Push that first.")
        attached = attach(remote, subject, bill_of_materials(contents), MEDIA_TYPE, title=FILE_NAME)
    return reference.pinned(attached.digest)


def _write(document: bytes, file: Path | None) -> None:
    if file is None:
        out.file.write(document.decode())
        return
    try:
        file.write_bytes(document)
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None
