"""What readers have in common: how they read, and what they say where they cannot."""

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

from uplift.errors import StorageError, is_little_memory


class ReaderError(Exception):
    """A reader refuses the array, or fails on a region of it; one line."""

    @classmethod
    def of(cls, reader: str, error: Exception) -> "ReaderError":
        """Build the error from what a reader raised."""
        text = " ".join(str(error).split()) or type(error).__name__
        return cls(f"{reader} refuses it: {text[:300]}")


def reader_error(reader: str, error: Exception) -> Exception:
    """Error for what a reader raised; a failed request or a lack of memory is no refusal."""
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
