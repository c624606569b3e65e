"""Licenses: their addresses, their names, and the conditions that they set."""

import re

from uplift.errors import InputError

_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_CREATIVE_COMMONS = re.compile(r"CC-(BY(?:-NC)?(?:-ND|-SA)?)-([0-9]\.[0-9])(?:-([A-Z]{2,3}))?")
_PUBLIC_DOMAIN = {
    "CC0-1.0": ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
    "CC-PDM-1.0": ("https://creativecommons.org/publicdomain/mark/1.0/", "Public Domain Mark 1.0"),
}


def license_term(text: str, where: str) -> tuple[str, str]:
    """URL and label of a license given as SPDX identifier or URL.

    Creative Commons licenses get their usual address, others that of the SPDX list; a URL stays as
    it is.

    Raises
    ------
    InputError
        It is neither.
    """
    if re.fullmatch(r"https?://[^\s<>\"]+", text):
        return text, text
    if text in _PUBLIC_DOMAIN:
        return _PUBLIC_DOMAIN[text]
    match = _CREATIVE_COMMONS.fullmatch(text)
    if match is not None:
        terms, version, port = match.groups()
        url = f"https://creativecommons.org/licenses/{terms.lower()}/{version}/"
        label = f"CC {terms} {version}"
        return (f"{url}{port.lower()}/", f"{label} {port}") if port else (url, label)
    if _SPDX.fullmatch(text):
        return f"https://spdx.org/licenses/{text}", text
    raise InputError(
        f"{where}: license {text!r} is neither an SPDX identifier (CC-BY-4.0) nor a URL"
    )


def drops_conditions(earlier: str, later: str) -> bool:
    """Whether `later` lets people do what `earlier` does not; False where either is not known here.

    Parameters
    ----------
    earlier, later
        SPDX identifiers or addresses of licenses.
    """
    before, after = (_CONDITIONS.get(_license_kind(text)) for text in (earlier, later))
    return before is not None and after is not None and not before <= after


def same_license(one: str, other: str) -> bool:
    """Whether two spellings name one license: identifier or address, http or https."""
    first, second = (
        re.sub(r"^http:", "https:", license_term(text, "")[0] if _SPDX.fullmatch(text) else text)
        for text in (one, other)
    )
    return first.rstrip("/").removesuffix("/legalcode") == second.rstrip("/").removesuffix(
        "/legalcode"
    )


def _license_kind(text: str) -> str:
    """What a license is, without version and port: ``by-nc``, ``cc0``, ``MIT``."""
    known = re.match(
        r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)", text
    )
    if known:
        return {"zero": "cc0", "mark": "cc0"}.get(known.group(1), known.group(1))
    name = re.sub(r"^https?://spdx\.org/licenses/", "", text).removesuffix(".html")
    if name.startswith(("CC0", "PDDL", "CC-PDM", "Unlicense")):
        return "cc0"
    match = _CREATIVE_COMMONS.match(name)
    return match.group(1).lower() if match else re.sub(r"-[0-9.]+(-only|-or-later)?$", "", name)


_CONDITIONS: dict[str, frozenset[str]] = {
    "cc0": frozenset(),
    **{
        kind: frozenset(kind.split("-"))
        for kind in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
    },
    "ODC-By": frozenset({"by"}),
    "ODbL": frozenset({"by", "sa"}),
    "MIT": frozenset({"by"}),
    "BSD-2-Clause": frozenset({"by"}),
    "BSD-3-Clause": frozenset({"by"}),
    "Apache": frozenset({"by"}),
    "GPL": frozenset({"by", "sa"}),
}
"""What licenses ask of those who use the data: naming the authors (by), sharing alike (sa), no
commerce (nc), no changes (nd). Other licenses are not compared."""
