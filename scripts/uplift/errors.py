"""The exception tree.

::

    UpliftError                 anything this project raises on purpose; one line; exit code 1
    ├── UsageError              a command line that cannot be understood; exit code 2
    ├── InputError              the user's config, sheet, plan or source has to change
    │   ├── SourceError         the source dataset: absent, not Zarr, contradictory, undecodable
    │   ├── PlanError           a plan or an edit that cannot be carried out
    │   └── OutputError         the output place: exists, overlaps the source, is locked
    ├── UnsupportedError        legal Zarr that this version cannot convert without loss
    └── StorageError            a file system or object store said no
        └── TransientError      it may say yes later; exit code 75 (retried by the workflow)

Every message is one line and says what is wrong, where (file, key, value) and what to do.
"""


class UpliftError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class UsageError(UpliftError):
    """A command line that cannot be understood."""

    exit_code = 2


class InputError(UpliftError):
    """Something the user gave has to change."""


class SourceError(InputError):
    """The source dataset is absent, not Zarr, contradictory or undecodable."""


class PlanError(InputError):
    """A plan, or an edit of one, that cannot be carried out."""


class OutputError(InputError):
    """The output place exists already, overlaps the source, or is locked."""


class UnsupportedError(UpliftError):
    """Legal Zarr that this version cannot convert without loss."""


class StorageError(UpliftError):
    """A file system or an object store refused."""


class TransientError(StorageError):
    """A failure that may pass by itself: time-out, 5xx, connection reset."""

    exit_code = 75
