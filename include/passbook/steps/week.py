"""What a stage reads: the work tables of one base date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from passbook.errors import InputError
from passbook.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from passbook.hive import Hive
    from passbook.sources import Source


@dataclass(frozen=True)
class Week:
    """The work tables of one base date and source.

    Attributes
    ----------
    base_date : datetime.date
    settings : Settings
    hive : Hive
        An open connection.
    source : Source
        The bank's adapter, which says what the bank offers.
    fingerprints : Mapping[tuple[str, date], str]
        Content hash by work table and partition date, as ``ingest_work_tables`` kept it.
    """

    base_date: date
    settings: Settings
    hive: Hive
    source: Source
    fingerprints: Mapping[tuple[str, date], str] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Inputs read so far: what a publication was computed from, whoever read it."""

    def offers(self, table: str) -> bool:
        """Whether the bank has this work table at all."""
        return self.source.offers(table)

    def table(
        self, name: str, columns: Sequence[str] | None = None, *, at: date | None = None
    ) -> pa.Table:
        """Return a work table, of an observation date when `at` is given."""
        self._use(name, at)
        return self.hive.read_table(
            self.settings.work_database, name, at or self.base_date, columns=columns
        )

    def holdings(self, scenario: str, columns: Sequence[str]) -> pa.Table:
        """Return the holdings that a scenario is about: its family's, or else everything."""
        import pyarrow as pa  # noqa: PLC0415 (not when a DAG file is parsed)

        from passbook.contracts import FAMILIES  # noqa: PLC0415

        _, _, family = scenario.rpartition(".")
        families = [family] if family in FAMILIES else FAMILIES
        names = [f"{f}_holding" for f in families if self.offers(f"{f}_holding")]
        return pa.concat_tables([self.table(name, columns) for name in names])

    def fingerprint(self, name: str, *, at: date | None = None) -> str:
        """Return the content hash of a work table.

        Raises
        ------
        InputError
            E803 when ``ingest_work_tables`` has left none for this date.
        """
        partition = at or self.base_date
        try:
            return self.fingerprints[name, partition]
        except KeyError:
            raise InputError(
                f"No fingerprint of {name} for {partition} is known. "
                f"Run ingest_work_tables for {self.base_date} first."
            ) from None

    def _use(self, name: str, at: date | None) -> None:
        found = self.fingerprints.get((name, at or self.base_date))
        if found is not None:
            self.used[name if at in {None, self.base_date} else f"{name} {at}"] = found
