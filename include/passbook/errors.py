"""One class and one stable code for each kind of failure that a person can meet.

The docstring of a class says what happened in one sentence; `remedy` says what to do. The message
of an instance adds which table, file or figure it was, and never a customer's data.
"""

from __future__ import annotations

from typing import ClassVar


class PassbookError(Exception):
    """Something that Passbook can name went wrong."""

    code: ClassVar[str] = "E000"
    remedy: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        super().__init__(detail)

    def __str__(self) -> str:
        what = (self.__doc__ or "").strip().splitlines()[0]
        parts = [f"{self.code} {what}", self.detail, self.remedy]
        return " ".join(part for part in parts if part)


# E1xx: the source


class SourceError(PassbookError):
    """The bank's source data cannot be used."""

    code = "E100"


class HiveUnreachableError(SourceError):
    """Hive cannot be reached."""

    code = "E101"
    remedy = "Check that HiveServer2 runs and the connection hive_passbook; the task retries."
    retryable = True


class EmptyWorkTableError(SourceError):
    """A work table has no rows for the base date."""

    code = "E102"
    remedy = "Check that the bank's load for this date has finished, then clear the task."


class ContractError(SourceError):
    """A work table breaks its contract."""

    code = "E103"
    remedy = "Compare the adapter's SELECT with the contract in docs/work-tables.md."


class FutureRowError(SourceError):
    """A work table holds rows dated after the base date."""

    code = "E104"
    remedy = "Filter the adapter's SELECT on ${base_date}, or correct the source rows."


class UnknownSourceError(SourceError):
    """No source adapter has this name."""

    code = "E105"
    remedy = "List the known ones with `passbook source list`, or set PASSBOOK_SOURCES."


class AdapterError(SourceError):
    """A source adapter is incomplete or its SQL cannot be read."""

    code = "E106"
    remedy = "Correct the adapter's folder: docs/bring-your-own-bank.md says what belongs in it."


class HiveStatementError(SourceError):
    """Hive refused or could not finish a statement."""

    code = "E107"
    remedy = "The statement and Hive's first line are above; the full answer is in the debug log."


class WarehouseError(SourceError):
    """The files of a Hive table cannot be read."""

    code = "E108"
    remedy = "Check that this machine reaches the table's location and may read it."


class HiveLoginError(SourceError):
    """Hive does not let Passbook log in."""

    code = "E109"
    remedy = "Correct the connection hive_passbook, then clear the task: it does not retry."


# E2xx: quality


class QualityError(PassbookError):
    """The work tables of a base date failed a quality rule."""

    code = "E201"
    remedy = "See ops.quality_result for the rules and counts; last week's results stay published."


# E3xx: segmentation


class SegmentationError(PassbookError):
    """Customers cannot be segmented."""

    code = "E300"


class ClusterCountError(SegmentationError):
    """The number of clusters differs from the champion's."""

    code = "E301"
    remedy = "Retrain with retrain_models, or roll the model back."


class TooFewCustomersError(SegmentationError):
    """There are too few customers to segment."""

    code = "E302"
    remedy = "Lower PASSBOOK_SEGMENT_MINIMUM_CUSTOMERS or publish rule bands only."


# E4xx: recommendation


class RecommendationError(PassbookError):
    """Recommendations cannot be made."""

    code = "E400"


class NoAcquisitionsError(RecommendationError):
    """The holdout month has no acquisitions by known customers."""

    code = "E401"
    remedy = "Models cannot be compared on it; nothing is promoted. Check the holdings' dates."


class NoEligibleProductError(RecommendationError):
    """No product of a scenario is on sale on the base date."""

    code = "E402"
    remedy = "Check sale_start and sale_end in the product work table."


class MemoryNeedError(RecommendationError):
    """A fit would not fit the memory that is allowed."""

    code = "E403"
    remedy = "Lower factors, or raise PASSBOOK_MEMORY_LIMIT_GB."


class InteractionError(RecommendationError):
    """Holdings cannot be turned into interactions."""

    code = "E404"
    remedy = "Correct the holdings work table."


class GridError(RecommendationError):
    """A parameter of a factor model, or of its grid, makes no sense."""

    code = "E405"
    remedy = "Correct the values that are named."


# E5xx: credit


class CreditError(PassbookError):
    """Credit cannot be scored."""

    code = "E500"


class OutcomeError(CreditError):
    """The outcomes are not fit to train a credit model."""

    code = "E501"
    remedy = "Both outcomes must occur at the observation dates; check credit_outcome."


class CreditInputError(CreditError):
    """The customer features are not fit to score."""

    code = "E502"
    remedy = "Correct the behaviour and profile work tables."


class SealError(CreditError):
    """A sealed value cannot be opened."""

    code = "E503"
    remedy = (
        "Give every key version in use in PASSBOOK_SEALING_KEYS: see `passbook privacy status`."
    )


# E6xx: models and artifacts


class ModelError(PassbookError):
    """A model cannot be used."""

    code = "E600"


class NoChampionError(ModelError):
    """No model is in force for the base date."""

    code = "E601"
    remedy = "Run retrain_models for this base date first."


class ArtifactError(ModelError):
    """A model's files are missing or differ from their manifest."""

    code = "E602"
    remedy = "Restore the files or roll back to an earlier version; the file was not loaded."


# E7xx: publishing


class PublishingError(PassbookError):
    """A result cannot be published."""

    code = "E700"


class MartUnreachableError(PublishingError):
    """The mart's Postgres cannot be reached."""

    code = "E701"
    remedy = "Check that Postgres runs and the connection mart_passbook; the task retries."
    retryable = True


class AuditError(PublishingError):
    """A staged result failed its audit."""

    code = "E702"
    remedy = "Nothing was published; the published week is as it was."


class StaleWriterError(PublishingError):
    """A newer run has taken over this stage and base date."""

    code = "E703"
    remedy = "Nothing was published by this run; look at the newer run."


class MigrationError(PublishingError):
    """The mart's schema is not at this code's migration."""

    code = "E704"
    remedy = "Run `passbook migrate`."


class StageRejectedError(PublishingError):
    """An earlier stage was rejected for this base date."""

    code = "E705"
    remedy = "Mend that stage and run it again; then clear this task."


class MartBusyError(PublishingError):
    """A reader's lock kept the mart from being swapped in time."""

    code = "E706"
    remedy = "The task retries; end the long-running query if it persists."
    retryable = True


class StageBusyError(PublishingError):
    """This stage already runs for this base date."""

    code = "E707"
    remedy = "The task retries until the other run has ended."
    retryable = True


class ProofError(PublishingError):
    """Offers on their way into the mart break a hard rule."""

    code = "E708"
    remedy = "Nothing was published. This is a fault in Passbook: report it with the run's log."


class StageLostError(PublishingError):
    """The run ended and left its stage without a verdict."""

    code = "E709"
    remedy = "A task was killed, timed out, never started or was marked: see which, then clear it."


# E8xx: settings and input


class SettingsError(PassbookError):
    """A setting is missing or wrong."""

    code = "E801"
    remedy = "See docs/settings.md."


class BaseDateError(PassbookError):
    """The base date cannot be used."""

    code = "E802"
    remedy = "A base date is a Sunday that is not in the future."


class InputError(PassbookError):
    """The input cannot be used."""

    code = "E803"


class ServerStartError(PassbookError):
    """An embedded server did not start."""

    code = "E804"
    remedy = "Its log says more."


class StorageError(PassbookError):
    """A file or folder cannot be read or written."""

    code = "E805"
    remedy = "Give this user the right to it, and room, or set PASSBOOK_HOME elsewhere."


class AirflowRequestError(PassbookError):
    """Airflow refused a request or did not answer it."""

    code = "E806"
    remedy = "See the logs of Airflow's processes."
    retryable = True
