"""JSON as text: canonical for digests, readable for people. No I/O."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """Compact JSON with sorted keys: the form that digests are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of_json(value: object) -> str:
    """Hex SHA-256 of :func:`canonical_json`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


# json.dumps would make an encoder for each value: half of the time of a large file
_encoded = json.JSONEncoder(ensure_ascii=False).encode


def readable_json(value: object, indent: int = 0) -> str:
    """JSON for people: two-space indent, lists of numbers or short strings on one line."""
    pad, inner = "  " * indent, "  " * (indent + 1)
    if isinstance(value, dict) and value:
        rows = [
            f"{inner}{_encoded(str(key))}: {readable_json(item, indent + 1)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(rows) + "\n" + pad + "}"
    if isinstance(value, (list, tuple)) and value:
        if all(not isinstance(item, (dict, list, tuple)) for item in value):
            return _encoded(list(value))
        rows = [inner + readable_json(item, indent + 1) for item in value]
        return "[\n" + ",\n".join(rows) + "\n" + pad + "]"
    return _encoded(value)


def shown(value: object, limit: int = 80) -> str:
    """A value as messages quote it: compact JSON, cut after `limit` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
