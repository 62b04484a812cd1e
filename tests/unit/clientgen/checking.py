"""What a person does with a generated package: type-checks it, lints it, builds it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.unit.cli.command import clean_environment

ROOT = Path(__file__).parents[3]
PYTHON_CLIENT = ROOT / "clients" / "python" / "src"
NODE_CLIENT = ROOT / "clients" / "typescript"
NODE_TOOLS = NODE_CLIENT / "node_modules" / ".bin"
PYRIGHT = "pyright@1.1.414"
BIOME = {
    "files": {"includes": ["**", "!node_modules", "!**/dist"]},
    "formatter": {"indentStyle": "space", "lineWidth": 130},
    "linter": {"rules": {"preset": "recommended"}},
}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What the command prints.

    Raises:
        AssertionError: it failed.
    """
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def check_types(source: Path, *modules: str) -> None:
    """mypy, as strictly as it can, for modules and packages below `source`."""
    arguments = ["--strict", "--warn-unreachable", "--config-file=", f"--cache-dir={source / '.mypy_cache'}"]
    named = [word for module in modules for word in ("-p", module)]
    paths = f"{source}:{PYTHON_CLIENT}"
    run(sys.executable, "-m", "mypy", *arguments, *named, cwd=source, MYPYPATH=paths)


def check_types_with_pyright(source: Path) -> None:
    """pyright, as strictly as it can, for all that is below `source`."""
    settings = {
        "include": ["."],
        "extraPaths": [str(source), str(PYTHON_CLIENT)],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.10",
    }
    (source / "pyrightconfig.json").write_text(json.dumps(settings))
    run("npx", "--yes", PYRIGHT, "--pythonpath", sys.executable, cwd=source)


def examples(page: Path) -> str:
    """What the README of a package shows, each example as a function of its own."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    beginning, *others = [textwrap.dedent(block) for block in blocks]
    functions = [f"def example_{number}() -> None:\n{textwrap.indent(block, '    ')}" for number, block in enumerate(others)]
    return "\n\n".join([beginning, *functions])


def check_style(folder: Path) -> None:
    """ruff, with the settings that the package brings."""
    run(sys.executable, "-m", "ruff", "format", "--check", "--diff", "--no-cache", ".", cwd=folder)
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=folder)


def install_node_client(folder: Path) -> None:
    """Put the TypeScript client, built, and what it needs where packages in `folder` find them."""
    modules = folder / "node_modules"
    modules.mkdir()
    for module in (NODE_CLIENT / "node_modules").iterdir():
        if not module.name.startswith("."):
            (modules / module.name).symlink_to(module)
    client = modules / "@jubako" / "client"
    client.mkdir(parents=True)
    shutil.copy(NODE_CLIENT / "package.json", client)
    project = NODE_CLIENT / "tsconfig.build.json"
    run(NODE_TOOLS / "tsc", "--project", project, "--outDir", client / "dist", cwd=NODE_CLIENT)


def build_node_package(folder: Path) -> None:
    """Type-check and build the package in `folder`, beside which the client is installed."""
    run(NODE_TOOLS / "tsc", "--project", folder, cwd=folder)


def check_node_style(folder: Path) -> None:
    """biome, with the settings of jubako's own client."""
    (folder.parent / "biome.json").write_text(json.dumps(BIOME))
    run(NODE_TOOLS / "biome", "check", folder, cwd=folder.parent)
