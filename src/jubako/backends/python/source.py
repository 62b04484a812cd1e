"""From a file of the version folder to the model's class."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from jubako.errors import ConfigurationError


def import_file(file: Path) -> ModuleType:
    """The module that `file` makes; its folder's other modules can be imported by it.

    Raises:
        ConfigurationError: there is no such file, it is no Python, or it imports what is not there.
    """
    if not file.is_file():
        raise ConfigurationError(
            f"There is no {file}. Write the model's class into it, or name the file with `engine: {{file: ...}}`."
        )
    sys.path.insert(0, str(file.parent))
    name = file.stem if file.stem not in sys.modules else f"model_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(name, file)
    if module_spec is None or module_spec.loader is None:
        raise ConfigurationError(f"{file} is no Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigurationError(f"{error.filename}, line {error.lineno}: {error.msg}.") from error
    except ImportError as error:
        raise ConfigurationError(
            f"{file.name} can't be imported: {error}. Name the package it needs in requirements.txt."
        ) from error
    return module


def find_class(module: ModuleType, name: str | None, method: str = "infer") -> type:
    """The class `name`; without one, the only class that has `method`, or of several the one that is called ``Model``.

    Raises:
        ConfigurationError: there is none, or there are several.
    """
    where = Path(str(module.__file__)).name
    if name is not None:
        found = getattr(module, name, None)
        if not isinstance(found, type) or not callable(getattr(found, method, None)):
            raise ConfigurationError(f"{where} has no class {name!r} with a method {method!r}.")
        return found
    able = [each for each in vars(module).values() if isinstance(each, type) and callable(getattr(each, method, None))]
    own = [each for each in able if each.__module__ == module.__name__] or able
    chosen = own if len(own) == 1 else [each for each in own if each.__name__ == "Model"]
    if len(chosen) != 1:
        which = f"several classes with a method {method!r}: {', '.join(each.__name__ for each in own)}" if own else "no class"
        raise ConfigurationError(
            f"{where} has {which}; it needs one with a method {method!r}. Name it with `engine: {{class_name: ...}}`."
        )
    return chosen[0]
