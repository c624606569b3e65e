"""What readers have in common: how they read, and what they say where they cannot."""

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

from uplift.errors import StorageError, is_little_memory


class ReaderError(Exception):
    """A reader refuses the array, or fails on a region of it; one line."""

    @classmethod
    def of(cls, reader: str, error: Exception) -> "ReaderError":
        """Word an error of a reader."""
        text = " ".join(str(error).split()) or type(error).__name__
        return cls(f"{reader} refuses it: {text[:300]}")


def reader_error(reader: str, error: Exception) -> Exception:
    """Word an error of a reader; a failed request or want of memory says nothing of the array."""
    if isinstance(error, StorageError):
        return error
    return MemoryError() if is_little_memory(error) else ReaderError.of(reader, error)


class Reader(Protocol):
    """Reads regions of one array."""

    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements.

        Raises
        ------
        ReaderError
            The reader cannot.
        """

    def begin(self, region: tuple[slice, ...]) -> Callable[[], NDArray[Any]]:
        """Begin to read elements; what is returned waits for them, and raises as `read` does."""
