"""``registry[:port]/repository[:tag][@sha256:...]``, the name of something in a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from jubako.errors import ConfigurationError

SCHEME = "oci://"
PLAIN_SCHEME = "oci+http://"
"""The same for a registry that is spoken to without TLS: whoever writes it has asked for that."""

DOCKER_HUB = "docker.io"

# The grammar of the Distribution Specification 1.1; a host as in RFC 3986, without user and password.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<registry>{_HOST})/(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_LONGEST = 255  # of registry and repository; many registries take no longer ones


@dataclass(frozen=True)
class Reference:
    """Something in a registry.

    Attributes:
        registry: Host and port.
        repository: The path below it.
        tag: A name that may move; None names none.
        digest: ``sha256:`` and 64 hexadecimal digits; goes before the tag. None names none.
        plain_http: Whether the registry is spoken to without TLS.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    plain_http: bool = False

    def __str__(self) -> str:
        return f"{self.name}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def source(self) -> str:
        """As a model's source writes it, with the scheme in front."""
        return f"{PLAIN_SCHEME if self.plain_http else SCHEME}{self}"

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    @property
    def api(self) -> str:
        """The URL below which the registry answers for this repository."""
        host = "registry-1.docker.io" if self.registry == DOCKER_HUB else self.registry
        return f"{'http' if self.plain_http else 'https'}://{host}/v2/{self.repository}"

    def pinned(self, digest: str) -> Reference:
        """The same by its digest alone."""
        return replace(self, tag=None, digest=digest)


def parse_reference(text: str) -> Reference:
    """The reference that `text`, with or without a scheme, is. The registry must be named: there is no default.

    Raises:
        ConfigurationError: `text` is none; the sentence says which form was expected.
    """
    plain = text.startswith(PLAIN_SCHEME)
    match = _REFERENCE.fullmatch(text.removeprefix(PLAIN_SCHEME if plain else SCHEME))
    if not match:
        raise ConfigurationError(_why_not(text))
    registry, repository = match["registry"], match["repository"]
    if registry in {"index.docker.io", "registry-1.docker.io"}:
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if len(registry) + len(repository) >= _LONGEST:
        raise ConfigurationError(
            f"The reference {text[:60]!r}... is too long: registry and repository have at most {_LONGEST} characters."
        )
    return Reference(registry, repository, match["tag"], match["digest"], plain)


def is_digest(text: str) -> bool:
    """Whether `text` is ``sha256:`` and 64 hexadecimal digits in lower case; other algorithms are not taken."""
    return _DIGEST.fullmatch(text) is not None


def _why_not(text: str) -> str:
    form = "It must be of the form registry[:port]/repository[:tag][@sha256:digest]"
    bare = text.removeprefix(PLAIN_SCHEME).removeprefix(SCHEME)
    if "@" in bare.partition("/")[0]:
        return "A reference has no user or password in it: log in with `podman login` or `docker login`."
    name, at, digest = bare.partition("@")
    if at and not is_digest(digest):
        return f"The reference {text!r} has a digest that is none. {form}; only SHA-256 is taken, as 64 hexadecimal digits."
    if name != name.lower() and _REFERENCE.fullmatch(name.lower()):
        return f"The reference {text!r} has capital letters in its repository; registries take only small ones."
    return f"The reference {text!r} can't be read. {form}."
