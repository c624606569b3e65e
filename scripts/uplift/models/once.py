"""Results for equal models, computed once: a plate has thousands of arrays of few kinds.

Models are compared by identity, which costs nothing, so equal ones must be the same object.
:func:`one_of` makes them so where they are read.
"""

import functools
import marshal
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

A = TypeVar("A")
M = TypeVar("M")
P = ParamSpec("P")

_MOST = 256
"""Kinds of arrays that are remembered at once."""


def once_each(
    function: Callable[Concatenate[A, P], M],
) -> Callable[Concatenate[A, P], M]:
    """Cache a pure function of an immutable object; errors are not cached.

    Parameters
    ----------
    function
        Its other arguments, if any, are positional and hashable.

    Returns
    -------
    Callable
        Returns the same.
    """
    known: dict[tuple[Any, ...], tuple[A, M]] = {}

    @functools.wraps(function)
    def remembered(first: A, /, *others: P.args, **named: P.kwargs) -> M:
        key = (id(first), *others)
        found = known.get(key)
        # an object that is kept keeps its identity
        if found is not None and found[0] is first:
            return found[1]
        made = function(first, *others, **named)
        if len(known) >= _MOST:
            known.clear()
        known[key] = first, made
        return made

    return remembered


def content_of(data: Any) -> bytes:
    """Bytes that identify JSON data, including the order of keys; not its JSON text.

    Making them takes a quarter of the time of JSON.
    """
    # in later versions of the format parts refer to each other: equal data would have other bytes
    return marshal.dumps(data, 2)


def one_of(kinds: dict[bytes, Any], data: Any, make: Callable[[Any], Any]) -> Any:
    """Give equal JSON data the same model.

    Parameters
    ----------
    kinds
        Models by the data they were made of; one dictionary for each kind of model.
    data
        Decoded JSON.
    make
        Makes a model of the data.

    Returns
    -------
    Any
        The model; data that are not an object are returned as they are.
    """
    if not isinstance(data, dict):
        return data
    content = content_of(data)
    found = kinds.get(content)
    if found is None:
        if len(kinds) >= _MOST:
            kinds.clear()
        found = kinds[content] = make(data)
    return found
