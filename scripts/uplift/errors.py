"""The exception tree.

::

    UpliftError                 anything this project raises on purpose; one line; exit code 1
    ├── UsageError              a command line that cannot be understood; exit code 2
    ├── InputError              the user's config, sheet, plan or source has to change
    │   ├── SourceError         the source dataset: absent, not Zarr, contradictory, undecodable
    │   ├── PlanError           a plan or an edit that cannot be carried out
    │   └── OutputError         the output: exists, overlaps the source, is locked
    ├── WorkerError             a worker process ended by itself; exit code 75 where it was killed
    ├── UnsupportedError        legal Zarr that this version cannot convert without loss
    └── StorageError            a file system or object store said no
        ├── ChangedError        an object is not the one that was listed
        └── TransientError      it may say yes later; exit code 75 (retried by the workflow)

Every message is one line and says what is wrong, where (file, key, value) and what to do.
"""

import errno

INSPECT_AGAIN = (
    "put it back as it was, or, if it is meant to be as it is now, inspect it again: "
    "the same command with -R inspect_source -- results/<dataset>/published.json"
)
"""What to do where the source is not as it was: of that dataset alone, since -R is for all."""

VALIDATE_AGAIN = (
    "validate again: the same command with -R validate -- results/<dataset>/published.json"
)

INTERRUPTED = "interrupted; run the same command again"
"""What a program says that Ctrl-C ended."""

CORRECT = "correct the source's metadata"
REWRITE = (
    "write the array again (docs/CONVERSION.md, Arrays to be written again), then run on the copy"
)
"""What to do about an array that is sound, and not one that can be converted."""


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
    """The output exists already, overlaps the source, or is locked."""


class UnsupportedError(UpliftError):
    """Legal Zarr that this version cannot convert without loss."""


class WorkerError(UpliftError):
    """A worker process ended without an answer.

    Parameters
    ----------
    message
        One line.
    killed
        By the system, most often for memory: the workflow repeats the job, on a cluster with more.
    """

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.exit_code = TransientError.exit_code if killed else UpliftError.exit_code


class StorageError(UpliftError):
    """A file system or an object store refused."""


class ChangedError(StorageError):
    """An object is not the one that was listed: other size, other stamp, or cut short."""


class TransientError(StorageError):
    """A failure that may pass by itself: time-out, 5xx, connection reset.

    Attributes
    ----------
    given_up
        The request was repeated as often as the settings say: nothing in this job repeats it.
    """

    exit_code = 75
    given_up = False


_REMEDIES = {
    errno.ENOSPC: "free some space there, then run again",
    errno.EDQUOT: "the quota is used up: free some space or ask for more, then run again",
    errno.EACCES: "ask for the permission, then run again",
    errno.EPERM: "ask for the permission, then run again",
    errno.EROFS: "that file system is read-only: choose another place",
    errno.EMFILE: "raise the limit (ulimit -n) or use fewer threads",
    errno.ENFILE: "the machine has too many open files: close some, then run again",
    errno.ENAMETOOLONG: "choose a shorter output path",
    errno.EIO: "the disk or the network file system fails: check it, then run again",
    errno.ESTALE: "the network file system lost the file: check the mount, then run again",
    errno.ELOOP: "the link leads back to itself: remove it or restore its target",
    errno.ENOENT: "it vanished while it was in use: check the folder, then run again",
}


def remedy_for(error: OSError) -> str:
    """Say what a user can do about an error of the operating system."""
    return _REMEDIES.get(error.errno or 0, "check the disk and the permissions, then run again")


def is_little_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, and not that data are wrong.

    Python says RuntimeError where a thread's stack finds no room, SystemError where the frame of a
    call finds none, the system ENOMEM.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = ("can't start new thread", "error return without exception set")
    return isinstance(error, MemoryError) or any(text in str(error) for text in said)
