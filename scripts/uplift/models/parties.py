"""People and organisations: as the model has them, and as sheet and config write them."""

import json
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from uplift.models.base import Model, mistake

ORCID = re.compile(r"(?:https?://orcid\.org/)?([0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X])/?")
URL = re.compile(r"https?://[^\s<>\"]+")
_EMAIL = re.compile(r"[^@\s/<>()\[\]]+@[^@\s/<>()\[\]]+")
_ADDRESS = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"
_PAIRS = {"<": ">", "(": ")", "[": "]"}
_BRACKETS = re.compile(r"\s*(?:<([^<>]+)>|\(([^()]+)\)|\[([^\[\]]+)\])")


def _orcid_url(text: str) -> str:
    match = ORCID.fullmatch(text)
    if match is None or not _check_digit_holds(match.group(1)):
        raise mistake(f"{text!r} is not an ORCID iD; copy it from the person's page at orcid.org")
    return f"https://orcid.org/{match.group(1)}"


def _check_digit_holds(orcid: str) -> bool:
    """Whether the last character is the ISO 7064 11-2 check digit of the others."""
    total = 0
    for digit in orcid.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    expected = (12 - total % 11) % 11
    return orcid[-1] == ("X" if expected == 10 else str(expected))


def _web_address(text: str) -> str:
    if not URL.fullmatch(text):
        raise mistake(f"id {text!r} is not a URL; write https://…")
    return text


def _e_mail(text: str) -> str:
    if not re.match(_ADDRESS, text):
        raise mistake(f"{text!r} is not an e-mail address; write it as in ann@example.org")
    return text


class Party(Model):
    """A person or organisation. `id` is a URL (ROR, home page); `orcid` with or without its host.

    `affiliation` is the name of an organisation, or its URL. `grants` are numbers or URLs of a
    funder's grants.
    """

    name: str = Field(min_length=1)
    orcid: Annotated[str, AfterValidator(_orcid_url)] | None = None
    id: Annotated[str, AfterValidator(_web_address)] | None = None
    email: (
        Annotated[str, AfterValidator(_e_mail), Field(json_schema_extra={"pattern": _ADDRESS})]
        | None
    ) = None
    affiliation: str | None = None
    grants: tuple[str, ...] = ()

    @field_validator("grants", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        if isinstance(value, str | int):
            value = re.split("[,;]", str(value))
        listed = [str(one).strip() for one in value] if isinstance(value, list | tuple) else value
        return tuple(filter(None, listed)) if isinstance(listed, list) else value


def parties_from_text(value: object) -> object:
    """Read ``Ann Lee <ORCID iD> (A Lab); Bob <bob@example.org>`` as parties; else the value itself.

    Parties are separated by semicolons outside brackets. In pointed or round brackets follow an
    ORCID iD, an e-mail address, a URL, or the affiliation; in square ones numbers or URLs of
    grants. JSON is read as what the config's YAML may hold; texts in a list are read, too.
    """
    value = _as_written(value)
    if isinstance(value, list | tuple):
        return tuple(_party_from_text(one) if isinstance(one, str) else one for one in value)
    if not isinstance(value, str):
        return value
    parties = [_party_from_text(part) for part in _split(value)]
    return parties[0] if len(parties) == 1 else tuple(parties) or value


def refuse_two_in_one(value: object) -> object:
    """Refuse ``Ann Lee, Bob Ray`` for a person; ``Lee, Ann`` is one.

    There are certainly several where each side of a comma has two or three words that begin
    with a capital letter. A mapping with a `name` is not checked: it says what is one name.
    """
    written = _as_written(value)
    several = written if isinstance(written, list | tuple) else (written,)
    for text in [part for one in several if isinstance(one, str) for part in _split(one)]:
        name = _BRACKETS.split(text, maxsplit=1)[0]
        sides = [side.split() for side in name.split(",")]
        if len(sides) > 1 and all(
            len(words) in (2, 3) and all(word[0].isupper() for word in words) for words in sides
        ):
            each = "; ".join(" ".join(words) for words in sides)
            raise mistake(
                f"{name.strip()!r} looks like {len(sides)} people; write a semicolon between them "
                f"({each}), or one person's given name first"
            )
    return value


def _as_written(value: object) -> object:
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _split(text: str) -> Iterator[str]:
    """Parts between semicolons; those in brackets do not count."""
    opened, start = "", 0
    for position, sign in enumerate(text):
        if opened and sign == _PAIRS[opened]:
            opened = ""
        elif opened and sign in "<>()[]":
            raise mistake(f"{text!r}: the bracket '{opened}' is not closed before '{sign}'")
        elif sign in _PAIRS:
            opened = sign
        elif sign in _PAIRS.values():
            raise mistake(
                f"{text!r}: '{sign}' closes no bracket; write its other half, or remove it"
            )
        elif sign == ";" and not opened:
            yield from filter(None, [text[start:position].strip()])
            start = position + 1
    if opened:
        raise mistake(f"{text!r}: the bracket '{opened}' is not closed; write '{_PAIRS[opened]}'")
    yield from filter(None, [text[start:].strip()])


def _party_from_text(text: str) -> object:
    """A party as the model reads it: its fields, or the text that is its name, ORCID iD or URL."""
    if ORCID.fullmatch(text):
        return {"name": text, "orcid": text}
    if _EMAIL.fullmatch(text):
        return {"name": text, "email": text}
    name, *_ = _BRACKETS.split(text, maxsplit=1)
    parts = _BRACKETS.findall(text)
    rest = _BRACKETS.sub("", text)[len(name) :].strip()
    if rest:
        raise mistake(
            f"{text!r}: {rest!r} stands behind brackets; write a semicolon between parties"
        )
    if " " in name.strip() and "://" in name:
        raise mistake(f"{name!r}: write an address in pointed brackets, as in Ann Lee <https://…>")
    inside = [(angled or rounded or squared).strip() for angled, rounded, squared in parts]
    if not name.strip():
        if len(inside) == 1 and text.startswith("<"):
            return _party_from_text(inside[0])
        raise mistake(f"{text!r}: write a name before the brackets")
    found = {"name": name.strip()}
    for (*_, squared), inner in zip(parts, inside, strict=True):
        key = "grants" if squared else _kind_of(inner)
        if key in found and key != "grants":
            raise mistake(f"{text!r}: two values for {key}; keep one, or put a semicolon between")
        found[key] = f"{found[key]},{inner}" if key in found else inner
    return text if len(found) == 1 else found


def _kind_of(inner: str) -> str:
    """The field of a party that a text in pointed or round brackets gives."""
    if re.fullmatch(r"(https?://orcid\.org/)?[\dX]{4}(-[\dX]{4}){3}/?", inner):
        return "orcid"
    if URL.fullmatch(inner):
        return "id"
    return "email" if "@" in inner else "affiliation"


Parties = Annotated[
    Party | str | tuple[Party | str, ...] | None,
    BeforeValidator(parties_from_text),
    Field(
        description="a name, an ORCID iD, {name: …, orcid: …, id: URL, email: …, affiliation: …}, "
        "a funder also {grants: [number or URL]}, or a list of these"
    ),
]
"""One party or several; a plain text is a name, an ORCID or a URL."""
