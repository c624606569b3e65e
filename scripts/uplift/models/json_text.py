"""JSON as text: canonical for digests, readable for people. No I/O."""

import hashlib
import json
import math
from json.encoder import encode_basestring
from typing import Any


def canonical_json(value: object) -> str:
    """Compact JSON with sorted keys: the form that digests are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of(data: bytes) -> str:
    """Hex SHA-256, as in all records."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_json(value: object) -> str:
    """Hex SHA-256 of :func:`canonical_json`."""
    return sha256_of(canonical_json(value).encode())


def readable_json(value: object) -> str:
    """JSON for people: two-space indent, lists of numbers or short strings on one line."""
    parts: list[str] = []
    _write(value, "\n", parts)
    return "".join(parts)


def document_bytes(document: dict[str, Any]) -> bytes:
    """A ``zarr.json`` as it is written to an output."""
    return (readable_json(document) + "\n").encode()


def without_bare_nan(value: Any) -> Any:
    """Turn the bare NaN and Infinity of some JSON writers into Zarr's strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [without_bare_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: without_bare_nan(item) for key, item in value.items()}
    return value


_encoded = json.JSONEncoder(ensure_ascii=False).encode


ATOMS = frozenset((str, int, float, bool, type(None)))
"""Types of JSON values that hold no others."""


def _write(value: object, pad: str, parts: list[str]) -> None:
    inner = pad + "  "
    if isinstance(value, dict) and value:
        before = "{"
        for key, item in value.items():
            parts.append(f"{before}{inner}{encode_basestring(str(key))}: ")
            if type(item) in ATOMS:
                parts.append(_scalar(item))
            else:
                _write(item, inner, parts)
            before = ","
        parts.append(pad + "}")
    elif isinstance(value, (list, tuple)) and value:
        if not ATOMS.issuperset(map(type, value)) and any(
            isinstance(item, (dict, list, tuple)) for item in value
        ):
            before = "["
            for item in value:
                parts.append(before + inner)
                _write(item, inner, parts)
                before = ","
            parts.append(pad + "]")
        else:
            parts.append(f"[{', '.join(map(_scalar, value))}]")
    else:
        parts.append(_scalar(value))


def _scalar(value: object) -> str:
    """Text of one value, as json.dumps writes it; common types first, for a million values."""
    if type(value) is str:
        return encode_basestring(value)
    return str(value) if type(value) is int else _encoded(value)


def shown(value: object, limit: int = 80) -> str:
    """A value as messages quote it: compact JSON, cut after `limit` characters."""
    return cut(json.dumps(value, ensure_ascii=False, default=str), limit)


def cut(text: str, limit: int) -> str:
    """A text as messages quote it: cut where it is longer than `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
