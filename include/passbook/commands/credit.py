"""``passbook credit``: explain a score, show a model's card, write the scorecard as SQL."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from passbook import settings
from passbook.base_date import parse_base_date

if TYPE_CHECKING:
    from passbook.steps.credit_in_force import InForce


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be asked."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    explaining = actions.add_parser("explain", help="Say what a customer's index is made of.")
    explaining.add_argument("customer", metavar="CUSTOMER", help="The bank's customer number.")
    explaining.set_defaults(action=explain)
    writing = actions.add_parser("sql", help="Write the scorecard as a SELECT for Postgres.")
    writing.add_argument(
        "--relation", default="credit_features", help="Table or view with the features."
    )
    writing.set_defaults(action=write_sql)
    card = actions.add_parser("card", help="Write the model card of the version in force.")
    card.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="Where to write it with its pictures; else the terminal.",
    )
    card.set_defaults(action=write_card)
    for action in (explaining, writing, card):
        action.add_argument(
            "--base-date", metavar="DATE", help="A Sunday; else the newest published week."
        )


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.action(arguments))


def explain(arguments: argparse.Namespace) -> int:
    """Print the explanation record of a customer's index."""
    from passbook.steps import credit_in_force  # noqa: PLC0415
    from passbook.steps.privacy import sealing_ring  # noqa: PLC0415

    ring = sealing_ring(settings.load())
    with credit_in_force.connected() as connection:
        found = credit_in_force.explain_customer(
            connection, _base_date(arguments), arguments.customer, ring
        )
    print(found.to_text())
    return 0


def write_sql(arguments: argparse.Namespace) -> int:
    """Print the scorecard of the version in force as SQL."""
    from passbook.credit.scorecard import Scorecard  # noqa: PLC0415
    from passbook.credit.scorecard_sql import render  # noqa: PLC0415
    from passbook.steps import credit_in_force  # noqa: PLC0415

    with credit_in_force.connected() as connection:
        artifact = credit_in_force.find(
            connection, settings.load().artifacts, _base_date(arguments)
        ).default
    print(f"-- Scorecard of {artifact.model} {artifact.version}")
    print(render(Scorecard.from_files(artifact.files), arguments.relation), end="")
    return 0


def write_card(arguments: argparse.Namespace) -> int:
    """Print the model card of the version in force, or write it with its pictures."""
    from passbook.credit.model_card import render  # noqa: PLC0415
    from passbook.steps import credit_in_force  # noqa: PLC0415

    with credit_in_force.connected() as connection:
        in_force = credit_in_force.find(
            connection, settings.load().artifacts, _base_date(arguments)
        )
    text = render(in_force.default.manifest, in_force.default.files)
    if arguments.output is None:
        print(text)
    else:
        _write_folder(arguments.output, text, in_force)
        print(f"Written: {arguments.output}")
    return 0


def _write_folder(folder: Path, text: str, in_force: InForce) -> None:
    from passbook.credit import pictures  # noqa: PLC0415
    from passbook.credit.fairness import FOUR_FIFTHS  # noqa: PLC0415
    from passbook.steps.report_file import write_whole  # noqa: PLC0415

    risk = json.loads(in_force.default.files["evaluation.json"])
    style = json.loads(in_force.style.files["evaluation.json"])
    drawn = {
        "roc-and-ks.svg": pictures.roc_and_ks(risk[risk["chosen"]]),
        "calibration-and-lift.svg": pictures.calibration_and_lift(risk[risk["chosen"]]),
        "vintages.svg": pictures.vintages(risk["vintage"]),
        "fairness.svg": pictures.fairness(risk[risk["chosen"]]["fairness"], FOUR_FIFTHS),
        "styles.svg": pictures.confusion(
            style["test"][style["chosen"]]["confusion_matrix"], style["styles"]
        ),
    }
    links = "\n".join(f"![{name.removesuffix('.svg')}]({name})" for name in drawn)
    for name, content in {**drawn, "card.md": f"{text}\n{links}\n".encode()}.items():
        write_whole(folder / name, content)


def _base_date(arguments: argparse.Namespace) -> date | None:
    return parse_base_date(arguments.base_date) if arguments.base_date else None
