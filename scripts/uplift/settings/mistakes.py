"""Mistakes of config and sheet: all of them at once, one line each."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from uplift.errors import InputError
from uplift.models import base

Settings = TypeVar("Settings", bound=base.Model)


class MistakesError(InputError):
    """Several mistakes at once, one line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def parse_all(
    model: type[Settings], data: Mapping[str, Any]
) -> tuple[Settings | None, list[tuple[base.Keys, str]]]:
    """The model that `data` are, or every mistake in them: its path, and what is wrong there."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, list(base.mistakes(error, model, data))
