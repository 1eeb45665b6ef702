"""Which code this is: one of the fingerprints of everything that is published."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_LIBRARIES: Final = ("numba", "numpy", "pyarrow", "scikit-learn", "scipy", "xgboost-cpu")
"""Libraries whose other release may compute another last digit."""


@lru_cache
def code_version() -> str:
    """Return ``<release>+<12 hex digits of the sha256 of the package's Python and SQL>``."""
    return _named(p for p in _PACKAGE.rglob("*") if p.suffix in (".py", ".sql"))


@lru_cache
def stage_code(stage: str) -> str:
    """Return the version of the code that a stage's rows are computed by.

    Only modules that the stage's step imports count, however indirectly, and the releases of the
    numeric libraries: a new page in the UI makes no published week stale. A stage without a step of
    its own counts the whole package.
    """
    step = _PACKAGE / "steps" / f"{stage}.py"
    if not step.exists():
        return code_version()
    return _named(imported_modules(step), *(f"{name} {version(name)}" for name in _LIBRARIES))


def imported_modules(start: Path) -> set[Path]:
    """Return a module's file and those of every module of Passbook that it needs.

    Read from the source, so that imports inside functions count as well.
    """
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imports(file)
    return found


def _imports(file: Path) -> Iterator[Path]:
    """Yield the files of what a module imports, and of the packages around them."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == _PACKAGE.name:
                for length in range(len(parts)):
                    place = _PACKAGE.joinpath(*parts[1 : length + 1])
                    candidates = (place.with_suffix(".py"), place / "__init__.py")
                    yield from (candidate for candidate in candidates if candidate.exists())


def _named(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for words in more:
        digest.update(words.encode() + b"\0")
    return f"{version('passbook')}+{digest.hexdigest()[:12]}"
