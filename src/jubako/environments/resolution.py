"""Which interpreter an entry of the repository runs under."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from jubako.environments.interpreters import OLDEST, ask, check_executable
from jubako.environments.recipe import INSTANCE, fits_here, recipe_of
from jubako.environments.record import Environments, Record
from jubako.environments.wanted import packages_of
from jubako.errors import ConfigurationError
from jubako.repository.config import EnvironmentConfig
from jubako.repository.model import Model

OWN = "jubako"
"""What ``environment:`` says for the server's own interpreter."""


class Tenant(Struct, frozen=True, kw_only=True):
    """An entry, as far as its environment is concerned.

    Attributes:
        folder: The entry's folder, against which paths and files are looked up.
        modules: What its backend can't do without.
        installs: Another command that would give the server's own environment those modules, or "".
    """

    model: str
    folder: Path
    backend: str
    environment: str | EnvironmentConfig | None
    modules: Sequence[str] = ()
    installs: str = ""

    @staticmethod
    def of(model: Model) -> Tenant:
        """An entry without faults."""
        declaration = model.declaration
        return Tenant(
            model=model.name,
            folder=model.folder,
            backend=declaration.name,
            environment=model.config.environment,
            modules=declaration.modules,
            installs=f'pip install "jubako[{declaration.extra}]"' if declaration.extra else "",
        )


def interpreter(tenant: Tenant, cache_dir: Path) -> str:
    """Path of the interpreter that runs the entry; "" for the server's own. It was asked and has all that an instance needs.

    Raises:
        ConfigurationError: there is none, or it is broken; the message has the command that mends it.
    """
    path = located(tenant, cache_dir)
    if path:
        _check(Path(path), tenant)
    return path


def located(tenant: Tenant, cache_dir: Path) -> str:
    """:func:`interpreter`, without asking it.

    Raises:
        ConfigurationError: there is none.
    """
    environments = Environments(cache_dir)
    match tenant.environment:
        case None:
            return _usual(tenant, environments)
        case EnvironmentConfig():
            return str(environments.interpreter(_made_for(tenant, tenant.environment, environments).name))
        case name if name == OWN:
            return ""
        case name if _is_path(name):
            return str(_at(name, tenant.folder))
        case name:
            return str(environments.interpreter(_named(name, tenant, environments).name))


def fitting(backend: str, environments: Environments) -> list[Record]:
    """What this machine can run of the environments for `backend`, the one that was last asked for first."""
    return [each for each in environments.every() if each.backend == backend and fits_here(backend, each.variant)]


def missing_here(modules: Sequence[str]) -> list[str]:
    """Which of `modules` the server's own interpreter has not; none of them is imported."""
    return [module for module in modules if find_spec(module) is None]


def _usual(tenant: Tenant, environments: Environments) -> str:
    for record in fitting(tenant.backend, environments):
        if record.general:
            return str(environments.interpreter(record.name))
    if missing := missing_here(tenant.modules):
        other = f", or install it beside the server with: {tenant.installs}" if tenant.installs else ""
        raise ConfigurationError(
            f"The backend {tenant.backend} needs {', '.join(missing)}, which the server's own Python does not have. "
            f"Make an environment for it with: jubako env create {tenant.backend}{other}"
        )
    return ""


def _made_for(tenant: Tenant, config: EnvironmentConfig, environments: Environments) -> Record:
    wanted = packages_of(config, tenant.folder)
    for record in fitting(config.base or tenant.backend, environments):
        if record.packages == wanted:
            return record
    more = f" with {', '.join(wanted)}" if wanted else ""
    raise ConfigurationError(
        f"The environment that the model asks for, {config.base or tenant.backend}{more}, has not been made. "
        f"Make it with: jubako env create {tenant.model}"
    )


def _named(name: str, tenant: Tenant, environments: Environments) -> Record:
    if (record := environments.named(name)) is not None:
        return record
    known = ", ".join(each.name for each in environments.every())
    raise ConfigurationError(
        f"`environment` names {name!r}, which has not been made. "
        + (f"There is {known}. " if known else "")
        + f"`jubako env create {name.partition('-')[0] or tenant.backend}` makes one."
    )


def _is_path(name: str) -> bool:
    return "/" in name or name.startswith("~")


def _at(name: str, folder: Path) -> Path:
    path = folder / Path(name).expanduser()
    path = path / "bin" / "python" if path.is_dir() else path
    try:
        check_executable(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"`environment` is {name!r}: {error.message}") from None
    return path


def _check(path: Path, tenant: Tenant) -> None:
    mend = _mend(tenant)
    try:
        answer = ask(path, [*recipe_of(INSTANCE).modules, *tenant.modules])
    except ConfigurationError as error:
        raise ConfigurationError(f"The environment of the model is broken: {error.message} {mend}".rstrip()) from None
    if answer.version < OLDEST:
        version, oldest = (".".join(map(str, each)) for each in (answer.version, OLDEST))
        raise ConfigurationError(f"{path} is Python {version}; a model needs at least {oldest}.")
    if answer.missing:
        raise ConfigurationError(
            f"The environment of the model, {path.parents[1]}, has no {', '.join(answer.missing)}. {mend}".rstrip()
        )


def _mend(tenant: Tenant) -> str:
    match tenant.environment:
        case None:
            return f"Make it again with: jubako env create {tenant.backend}"
        case EnvironmentConfig():
            return f"Make it again with: jubako env create {tenant.model}"
        case name if _is_path(name):
            return "Install what is missing there, or leave `environment` out for one that `jubako env create` makes."
        case name:
            return f"Make it again with: jubako env remove {name}; jubako env create {name.partition('-')[0]}"
