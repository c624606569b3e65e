"""A codec as a row of the table: its columns, and the types that its functions take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uplift.errors import SourceError

Config = dict[str, Any]
"""A codec as Zarr v2 writes it: its ``id``, and its settings next to it."""
Encoded = bytes | memoryview
"""A chunk as stored, perhaps in memory that is used again."""
Buffer = Encoded | NDArray[Any]
Kind = Literal["array", "serializer", "bytes"]
"""What goes in and comes out when encoding, as Zarr v3 sorts codecs: array to array, array to
bytes, bytes to bytes."""


class DecodeError(SourceError):
    """A damaged chunk; `reason` says why, the caller knows which chunk."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ElementError(DecodeError):
    """A valid chunk with an element that the output's data type cannot hold."""


class Decoded(NamedTuple):
    """One codec undone: `end` is where its stream ends in the input (None: at the input's end)."""

    data: Buffer
    end: int | None = None
    note: str | None = None
    """What is unusual and no damage, such as two streams one after the other."""


def _same_size(config: Config, size: int, dtype: np.dtype[Any]) -> int | None:
    return size


@dataclass(frozen=True, slots=True)
class Codec:
    """A row of the table.

    Attributes
    ----------
    id
        Name in Zarr v2; in Zarr v3 ``numcodecs.<id>``, unless `v3` says otherwise.
    decode
        Takes the bytes (or the buffer that the codec after it gave), the configuration and the
        most bytes (of texts: elements) that may come out; raises :class:`DecodeError`.
    encode
        The same bytes for the same buffer on every run; None: read, never written.
    names
        What other writers call it, in lower case.
    v3
        Name of the core codec of Zarr v3 that reads the same bytes; None: recoded.
    to_v3
        Takes a configuration and the bytes of one element (1 for texts); returns the
        configuration of that core codec. None: it has none.
    settings
        What each setting of the core codec may be.
    defaults
        Configuration of a plan that names the codec alone.
    check
        Takes encoded bytes and the decoded size; returns where the stream ends, or None when only
        decoding shows it; raises :class:`DecodeError`. None: chunks are decoded to check them.
    rewrap
        Takes the same and makes the stream of the core codec out of it; bytes after the end are
        left out.
    size_after
        Bytes after encoding, from the configuration, the bytes before, and the element type; None
        when the data decide.
    problem
        What is wrong with a configuration, or None.
    changes_nothing
        Whether decoding leaves the elements as they are: precision was lost when writing.
    """

    id: str
    kind: Kind
    decode: Callable[[Buffer, Config, int], Decoded]
    encode: Callable[[Buffer, Config], bytes] | None = None
    names: tuple[str, ...] = ()
    v3: str | None = None
    to_v3: Callable[[Config, int], Config] | None = None
    settings: Mapping[str, range | tuple[Any, ...]] = field(default_factory=dict)
    defaults: Config = field(default_factory=dict)
    check: Callable[[Encoded, int], int | None] | None = None
    rewrap: Callable[[Encoded, int], bytes] | None = None
    size_after: Callable[[Config, int, np.dtype[Any]], int | None] = _same_size
    problem: Callable[[Config], str | None] = lambda _config: None
    changes_nothing: Callable[[Config, np.dtype[Any]], bool] = lambda _config, _dtype: False

    @property
    def name_v3(self) -> str:
        """Name in a Zarr v3 pipeline."""
        return self.v3 if self.v3 == self.id else f"numcodecs.{self.id}"


def allows(allowed: range | tuple[Any, ...], value: Any) -> bool:
    """Whether a setting may have a value; a range is not searched for one of another type."""
    return bool(allowed) and type(value) is type(allowed[0]) and value in allowed


def raw(data: Buffer) -> bytes:
    """Bytes of a buffer."""
    return data if isinstance(data, bytes) else bytes(view(data))


def view(data: Buffer) -> Any:
    """Bytes of a contiguous buffer without a copy."""
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return data


def first_line(error: Exception) -> str:
    """First line of an error's message, or its name."""
    return (str(error) or type(error).__name__).splitlines()[0][:120]
