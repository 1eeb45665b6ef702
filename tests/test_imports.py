"""The arrows of the architecture: dags → steps → (pure modules, doors).

Read from the source by its syntax tree, so that an import inside a function counts as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import passbook

PACKAGE = Path(passbook.__file__).parent
CHECKOUT = PACKAGE.parent.parent

ANYONE_MAY = {"contracts", "errors", "base_date"}
PURE = {"quality", "segments", "recommend", "credit", "drift", "promotion", "sources",
        "privacy"}  # fmt: skip
DOORS = {"hive", "warehouse", "mart", "ledger", "artifacts", "alerts"}
AIRFLOW_IN_STEPS = {
    "steps/airflow_tasks.py", "steps/alert_notifier.py", "steps/promotion_approval.py",
    "steps/stage.py", "steps/verdict_wait.py",
}  # fmt: skip


def _modules() -> Iterator[tuple[str, Path]]:
    """Yield every module's path in the package and its file."""
    for file in sorted(PACKAGE.rglob("*.py")):
        yield file.relative_to(PACKAGE).as_posix(), file


def _imports(file: Path) -> set[str]:
    """Return the dotted names a file imports, ``passbook.x.y`` for a name taken from a package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _parts(imports: set[str]) -> set[str]:
    """Return the top parts of Passbook among the imports: ``hive``, ``segments``, …"""
    return {name.split(".")[1] for name in imports if name.startswith("passbook.")}


def _part(module: str) -> str:
    """Return the part of Passbook a module belongs to; hive_session.py belongs to hive."""
    part = module.split("/", maxsplit=1)[0].removesuffix(".py")
    return next((door for door in DOORS if part.startswith(f"{door}_")), part)


def _of(parts: set[str]) -> list[tuple[str, set[str]]]:
    """Return the modules of these parts and what each imports."""
    chosen = [(module, _imports(file)) for module, file in _modules() if _part(module) in parts]
    assert {_part(module) for module, _ in chosen} == parts
    return chosen


def test_pure_modules_import_no_door_no_setting_and_no_airflow() -> None:
    for module, imports in _of(PURE):
        assert _parts(imports) <= PURE | ANYONE_MAY, module
        foreign = {name.split(".")[0] for name in imports}
        assert not foreign & {"airflow", "pyhive", "psycopg2", "sqlalchemy"}, module


def test_doors_import_no_pure_module_and_no_airflow() -> None:
    for module, imports in _of(DOORS):
        assert not _parts(imports) & (PURE | {"steps", "embedded", "demo", "cli"}), module
        assert not any(name.split(".")[0] == "airflow" for name in imports), module


def test_what_anyone_may_import_imports_nothing_of_passbook_but_its_like() -> None:
    for module, imports in _of(ANYONE_MAY):
        assert _parts(imports) <= ANYONE_MAY, module


def test_only_the_wiring_knows_airflow() -> None:
    for module, file in _modules():
        if any(name.split(".")[0] == "airflow" for name in _imports(file)):
            assert module in AIRFLOW_IN_STEPS, module


def test_steps_import_neither_the_embedded_stack_nor_the_demo_bank() -> None:
    for module, imports in _of({"steps"}):
        assert not _parts(imports) & {"embedded", "demo", "cli", "commands"}, module


def test_dag_files_import_steps_and_what_anyone_may() -> None:
    files = sorted((CHECKOUT / "dags").glob("*.py"))
    assert files
    for file in files:
        assert _parts(_imports(file)) <= {"steps"} | ANYONE_MAY, file.name


def test_plugins_import_pages_notes_and_what_anyone_may() -> None:
    files = sorted((CHECKOUT / "plugins").glob("*.py"))
    assert files
    for file in files:
        assert _parts(_imports(file)) <= {"pages", "ended_runs"} | ANYONE_MAY, file.name


def test_only_settings_reads_the_environment() -> None:
    readers = {
        module
        for module, file in _modules()
        if "os.environ" in file.read_text(encoding="utf-8") or "getenv" in file.read_text("utf-8")
    }
    # A server process inherits the environment; it reads no setting of ours out of it.
    assert readers <= {
        "settings.py", "embedded/airflow.py", "embedded/hiveserver2.py",
    }  # fmt: skip


def test_only_base_date_reads_the_clock() -> None:
    clocks = ("datetime.now(", "date.today(", "utcnow(", "time.time(")
    for module, file in _modules():
        if module != "base_date.py":
            text = file.read_text(encoding="utf-8")
            assert not [clock for clock in clocks if clock in text], module


def test_nothing_is_pickled() -> None:
    for module, file in _modules():
        assert not {name.split(".")[0] for name in _imports(file)} & {"pickle", "joblib", "dill"}, (
            module
        )
