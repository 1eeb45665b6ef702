"""What README and docs/settings.md say is what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from passbook import cli
from passbook.commands.demo import PURCHASE_WEEKS
from passbook.contracts import STAGES
from passbook.demo.fill import DemoBank
from passbook.settings import DRIFT_THRESHOLDS, Settings

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
DOCS = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")])


def _make_targets() -> set[str]:
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*## ", text, flags=re.MULTILINE))


def test_the_two_commands_lead() -> None:
    commands = re.findall(r"^make (\S+)", README, flags=re.MULTILINE)
    assert commands[:2] == ["demo", "test"]


def test_readme_names_every_dag_and_no_other() -> None:
    named = re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
    files = {file.stem for file in (CHECKOUT / "dags").glob("*.py")}
    assert named == [*STAGES, "maintain"]
    assert set(named) == files


def test_the_figures_in_readme_are_the_defaults() -> None:
    assert f"{DemoBank().customers:,} customers" in README
    for base_date in PURCHASE_WEEKS:
        assert str(base_date) in README


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_make_target_and_command_in_the_docs_exists(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE)) <= _make_targets()
    assert set(re.findall(r"(?:^|`)passbook ([a-z]+)", text, flags=re.MULTILINE)) <= set(
        cli.COMMANDS
    )


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_link_in_the_docs_leads_somewhere(doc: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", doc.read_text(encoding="utf-8")):
        assert (doc.parent / target).exists(), target


def test_make_help_lists_every_target() -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for target in _make_targets():
        assert f"make {target} " in listed


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    text = (CHECKOUT / "docs" / "settings.md").read_text(encoding="utf-8")
    default = field.default
    shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    written = "–" if default is None else f"`{shown}`"
    assert f"| `PASSBOOK_{name.upper()}` | {written} | {field.description} |" in text


def test_every_threshold_of_drift_is_documented() -> None:
    text = (CHECKOUT / "docs" / "settings.md").read_text(encoding="utf-8")
    for figure, usual in DRIFT_THRESHOLDS.items():
        assert f"| `{figure}` | `{usual}` | " in text


def test_no_setting_is_documented_that_there_is_not() -> None:
    text = (CHECKOUT / "docs" / "settings.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `PASSBOOK_(\w+)` \|", text, flags=re.MULTILINE)
    known = {name.upper() for name in Settings.model_fields}
    assert set(named) - {"TEST_POSTGRES_URL", "TEST_HIVE_URL", "REAL_DATA"} == known
