"""The frozen base model: unknown keys are errors that name the nearest known key."""

import difflib
import functools
import re
import threading
import types
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from uplift.errors import InputError
from uplift.models.json_text import ATOMS, shown
from uplift.models.once import once_each

Keys = tuple[int | str, ...]
MappingNamespace = Mapping[str, Any]
_UNKNOWN = "unknown "
_UNSPACED = re.compile(r"(\w+):([^/\s].*)")
_BUILDING = threading.RLock()
"""Held while a model's validator is built, which also builds those of its parts."""


class Model(BaseModel):
    """A frozen, strict record. Parse once at the boundary with :meth:`parse`; trust it afterwards.

    Messages quote a field's ``description`` after "is not", so it must fit there.
    """

    # Built at first use: a program imports many models and uses few of them.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    noun: ClassVar[str] = "key"
    """What messages call a field of this model."""
    is_shared: ClassVar[bool] = False
    """Whether equal records are one object, so that their JSON inside of others is made once."""

    @classmethod
    def parse(cls, data: object, where: str) -> Self:
        """Build a model from JSON data, or raise one line per mistake.

        Parameters
        ----------
        data
            Decoded JSON.
        where
            File, row or key to name in the message.

        Raises
        ------
        InputError
            The first mistake, with its path, value and the nearest known key; more are counted.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            # a key that is misspelled says why another one is missing
            found = sorted(
                mistakes(error, cls, data), key=lambda one: not one[1].startswith(_UNKNOWN)
            )
            lines = [f"{keys_text(keys) or 'document'}: {text}" for keys, text in found]
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            raise InputError(f"{where}: {lines[0]}{more}") from error

    @classmethod
    def model_rebuild(
        cls,
        *,
        force: bool = False,
        raise_errors: bool = True,
        _parent_namespace_depth: int = 2,
        _types_namespace: MappingNamespace | None = None,
    ) -> bool | None:
        """Build the validator, one thread at a time: pydantic's own is not safe at first use.

        Result and parameters as :meth:`pydantic.BaseModel.model_rebuild`.
        """
        with _BUILDING:
            return super().model_rebuild(
                force=force,
                raise_errors=raise_errors,
                _parent_namespace_depth=_parent_namespace_depth + 1,  # this frame
                _types_namespace=_types_namespace,
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data in field order; optional fields that are ``None`` are left out."""
        values = self.__dict__
        return {
            key: value if type(value) in ATOMS else _plain_json(value)
            for name, key, required in _layout(type(self))
            if (value := values[name]) is not None or required
        }


@functools.cache
def _layout(model: type[Model]) -> tuple[tuple[str, str, bool], ...]:
    """Name and key of each field, and whether it is required: asking pydantic each time is slow."""
    fields = model.model_fields.items()
    return tuple((name, one.alias or name, one.is_required()) for name, one in fields)


def build_all(but: Collection[str] = ()) -> None:
    """Build the validators of all models that are imported, before a process forks.

    Parameters
    ----------
    but
        Modules whose models few jobs use.
    """
    waiting = deque(Model.__subclasses__())
    while waiting:
        model = waiting.popleft()  # in the order of definition: parts come first
        waiting += model.__subclasses__()
        if model.__module__ not in but:
            model.model_rebuild()


@once_each
def _shared_json(model: Model) -> dict[str, Any]:
    return model.to_json()


def _plain_json(value: Any) -> Any:
    if type(value) in ATOMS:
        return value
    if isinstance(value, Model):
        return _shared_json(value) if value.is_shared else value.to_json()
    if isinstance(value, dict):
        return {key: _plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_json(item) for item in value]
    return value


def keys_text(keys: Keys) -> str:
    """Write the path of a value as users do: ``arrays["0/1"].shards`` or ``rules[0].match``."""
    text = ""
    for part in keys:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def nearest(word: str, known: list[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest known word, else the list of known words."""
    return did_you_mean(word, known) or (f"; known: {', '.join(known)}" if known else "")


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest known word, else nothing."""
    lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word, known, n=1) or [
        lower[one] for one in difflib.get_close_matches(word.lower(), list(lower), n=1)
    ]
    return f'; did you mean "{close[0]}"?' if close else ""


def mistake(message: str) -> PydanticCustomError:
    """A mistake whose message is complete: it is not followed by the value and what it is not."""
    return PydanticCustomError("mistake", "{message}", {"message": message})


def mistakes(
    error: ValidationError, model: type[BaseModel], data: object
) -> Iterator[tuple[Keys, str]]:
    """Every mistake that pydantic found, once for each value: where, and what is wrong there.

    Parameters
    ----------
    error
        From validating `data`.
    model
        The model that `data` do not match.
    data
        What was validated: messages quote the value as it was given.

    Yields
    ------
    (keys, message)
        Keys are the path inside `data`, down to the field whose value is wrong: what pydantic says
        about each alternative of a union is one mistake.
    """
    found: dict[Keys, str] = {}
    for item in error.errors():
        keys, owner, field = _descend(model, item["loc"])
        if keys not in found or item["type"] == "mistake":
            found[keys] = _message(item, keys, owner, field, data)
    yield from found.items()


def _message(item: Any, keys: Keys, owner: Any, field: Any, data: object) -> str:
    kind, key = item["type"], str(keys[-1]) if keys else ""
    description = description_of(field)
    if field is None and kind == "extra_forbidden":
        known = [one.alias or name for name, one in owner.model_fields.items()]
        hint = _colon_hint({key: item.get("input")}) or nearest(key, known)
        return f'{_UNKNOWN}{getattr(owner, "noun", "key")} "{key}"{hint}'
    if kind == "missing" and keys == item["loc"]:
        return f"missing; give {description}" if description else "missing; add it"
    if kind == "mistake":
        return str(item["msg"])
    value = _value_at(data, keys, item.get("input"))
    if kind == "model_type":
        return f"{shown(value)} is not a mapping"
    known = _literals(getattr(field, "annotation", None))
    if known:
        return f"{shown(value)} is not one of {', '.join(known)}{did_you_mean(str(value), known)}"
    if description and not (keys and isinstance(keys[-1], int)):  # not of one of a list
        return f"{shown(value)} is not {description}{_colon_hint(value)}"
    return f"{str(item['msg']).removeprefix('Value error, ')}, got {shown(value)}"


def _colon_hint(value: object) -> str:
    """Hint for YAML such as ``{y:128}``, which is a key without a value."""
    keys = (
        [str(key) for key in value if value[key] in ("", None)] if isinstance(value, dict) else ()
    )
    found = next(filter(None, map(_UNSPACED.fullmatch, keys)), None)
    return f"; a blank belongs after the colon: {{{found[1]}: {found[2]}}}" if found else ""


def _descend(model: type[BaseModel], location: Keys) -> tuple[Keys, Any, Any]:
    """Follow an error's location from pydantic, as far as it names keys of the data.

    Returns
    -------
    (keys, owner, field)
        The keys; the model that the last of them belongs to; its field, None for an unknown key.
    """
    keys: list[int | str] = []
    current: Any = model
    owner: Any = None
    field: Any = None
    for part in location:
        current = _only_member(current)
        arguments = get_args(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {one.alias or name: one for name, one in current.model_fields.items()}
            owner, field = current, fields.get(str(part))
            current = field.annotation if field is not None else None
        elif get_origin(current) in (tuple, list, dict, Mapping) and arguments:
            current = arguments[1] if get_origin(current) in (dict, Mapping) else arguments[0]
        else:
            break
        keys.append(part)
    return tuple(keys), owner, field


def _only_member(annotation: Any) -> Any:
    """The type of an optional annotation; one of several alternatives stays as it is."""
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) in (Union, types.UnionType):
        members = [one for one in get_args(annotation) if one is not type(None)]
        return _only_member(members[0]) if len(members) == 1 else annotation
    return annotation


def description_of(field: Any) -> str | None:
    """A field's own description, else that of its type."""
    found = getattr(field, "description", None)
    if found is not None or field is None:
        return found
    members = (field.annotation, *get_args(field.annotation))
    described = (one for member in members for one in getattr(member, "__metadata__", ()))
    return next((one.description for one in described if getattr(one, "description", None)), None)


def _literals(annotation: Any) -> list[str]:
    """The values that a field of fixed values may have; empty for any other."""
    annotation = _only_member(annotation)
    return [str(one) for one in get_args(annotation)] if get_origin(annotation) is Literal else []


def _value_at(data: Any, keys: Keys, otherwise: object) -> Any:
    for part in keys:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return data
