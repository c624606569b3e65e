"""The frozen base model: unknown keys are errors that name the nearest known key."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from uplift.errors import InputError


class Model(BaseModel):
    """A frozen, strict record. Parse once at the door with :meth:`parse`; trust it afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

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
            The first mistake, with its place, value and the nearest known key; more are counted.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            lines = [_one_line(cls, item) for item in error.errors()]
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            raise InputError(f"{where}: {lines[0]}{more}") from error

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data in field order; optional fields that are ``None`` are left out."""
        return {
            field.alias or name: _plain(value)
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) is not None or field.is_required()
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_json()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def place_of(location: tuple[int | str, ...]) -> str:
    """Spell a location as users write it: ``arrays["0/1"].shards`` or ``rules[0].match``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def nearest(word: str, known: list[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest known word, else the list of known words."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(known)}" if known else ""


def _one_line(model: type[BaseModel], item: Any) -> str:
    location, message = item["loc"], str(item["msg"])
    if item["type"] == "extra_forbidden":
        fields = _fields_at(model, location[:-1])
        hint = nearest(str(location[-1]), fields)
        return f'{place_of(location)}: unknown key "{location[-1]}"{hint}'
    if item["type"] == "missing":
        return f"{place_of(location)}: missing; add it"
    shown = repr(item.get("input"))
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    message = message.removeprefix("Value error, ")
    return f"{place_of(location) or 'document'}: {message}, got {shown}"


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Field names of the (possibly nested) model that `location` points into."""
    current: Any = model
    for part in location:
        if isinstance(part, int) or not _is_model(current):
            continue
        field = current.model_fields.get(part)
        current = _model_in(field.annotation) if field is not None else None
    return sorted(current.model_fields) if _is_model(current) else []


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _model_in(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
