"""What Snakemake makes of ``--config key=value``: texts that it reads as something else."""

import json
import shlex
from collections.abc import Sequence


def typed_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """The ``key=value`` texts of ``--config`` by key."""
    pairs = (argument.partition("=") for argument in arguments)
    return {key: raw for key, _, raw in pairs}


def quoted_argument(key: str, text: str) -> str:
    """Write a ``--config`` argument that reaches the config as text, whatever it looks like.

    Snakemake strips outer quotes and then tries a number before YAML; blanks around a YAML string
    keep both from happening.
    """
    return f"--config {shlex.quote(f'{key}= {json.dumps(text, ensure_ascii=False)} ')}"


def retyped(key: str, raw: str, value: object) -> str | None:
    """Say that Snakemake made something else of a text given on the command line.

    Parameters
    ----------
    key, raw
        As typed: ``key=raw``.
    value
        What Snakemake handed over.

    Returns
    -------
    str or None
        The mistake with the argument that works; None when the text arrived as it is.
    """
    text = raw.strip("'\"")
    if value is None or value == text.strip() or _is_quoted_yaml(raw, value):
        return None
    kinds: dict[type, str] = {dict: "a mapping", list: "a list", bool: f"the truth value {value}"}
    kinds[str] = f"the text {value!r}"
    kind = kinds.get(type(value), f"the number {value}")
    return (
        f"--config {key}={raw}: Snakemake reads this as {kind}; {quoted_argument(key, text)} works"
    )


def _is_quoted_yaml(raw: str, value: object) -> bool:
    body = raw.strip()
    if len(body) < 2 or body == raw or body[0] not in "'\"" or body[0] != body[-1]:
        return False
    return isinstance(value, str)
