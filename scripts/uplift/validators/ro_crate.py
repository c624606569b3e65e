"""Check an RO-Crate document with roc-validator: RO-Crate 1.1, what it requires, without network.

The validator ships no JSON-LD context and looks them up in a cache of HTTP responses. It gets a
cache of its own that holds the context file of the ``rocrate`` package under the addresses of the
RO-Crate contexts; what is not in there is not fetched.
"""

import io
import logging
import tempfile
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uplift.models.crate import crate_finding, listed
from uplift.models.findings import Finding

PROFILE = "ro-crate-1.1"
_KNOWN = tuple(f"https://w3id.org/ro/crate/{version}/context" for version in ("1.1", "1.2", "1.3"))


def validate_crate(
    document: dict[str, Any], inherited: Collection[str] = (), profile: str = PROFILE
) -> tuple[Finding, ...]:
    """Validate the content of ``ro-crate-metadata.json`` against an RO-Crate profile.

    Parameters
    ----------
    inherited
        Ids of entities that come from the source's own crate: what is wrong with them was so
        before, and is a warning.
    profile
        As roc-validator names it.

    Returns
    -------
    tuple of Finding
        ``crate.invalid`` for each requirement that is not met, ``crate.inherited`` where it is met
        without the entities of the source, ``crate.unchecked`` when a context of the source's crate
        cannot be had offline; empty for a valid crate.
    """
    strangers = [url for url in _context_urls(document) if url not in _KNOWN]
    if strangers:
        text = f"not checked: its context {strangers[0]} cannot be had without network"
        return (crate_finding("crate.unchecked", "warning", text),)
    with _quiet(), tempfile.TemporaryDirectory(prefix="ngff-uplift-") as folder:
        cache = Path(folder) / "contexts"
        _fill_cache(cache)
        issues = _issues(document, profile, cache)
        if not issues:
            return ()
        if inherited and not _issues(_without(document, frozenset(inherited)), profile, cache):
            texts = [f"in the source's own crate: {issue}" for issue in issues]
            return tuple(crate_finding("crate.inherited", "warning", text) for text in texts)
        return tuple(crate_finding("crate.invalid", "error", issue) for issue in issues)


def _issues(document: dict[str, Any], profile: str, cache: Path) -> list[str]:
    from rocrate_validator import services
    from rocrate_validator.models import ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    settings = ValidationSettings(
        rocrate_uri=None,
        profile_identifier=profile,
        metadata_dict=document,
        metadata_only=True,
        requirement_severity="REQUIRED",
        skip_availability_check=True,
        offline=True,
        cache_path=cache,
    )
    try:
        issues = services.validate(settings).get_issues()
    finally:
        HttpRequester.reset()
    texts = {
        f"{issue.violatingEntity or 'the crate'}: {issue.message} ({issue.identifier})"
        for issue in issues
    }
    return sorted(" ".join(text.split()) for text in texts)


def _context_urls(document: dict[str, Any]) -> list[str]:
    return [item for item in listed(document.get("@context")) if isinstance(item, str)]


def _without(document: dict[str, Any], ids: frozenset[str]) -> dict[str, Any]:
    entities = [entity for entity in document["@graph"] if entity.get("@id") not in ids]
    return {**document, "@graph": entities}


def _fill_cache(cache: Path) -> None:
    """Store the context as if it had been fetched."""
    import rocrate
    from requests.adapters import BaseAdapter, HTTPAdapter
    from requests_cache import CachedSession
    from urllib3 import HTTPResponse

    context = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()

    class ContextAdapter(BaseAdapter):
        def send(self, request: Any, *_args: Any, **_options: Any) -> Any:
            answer = HTTPResponse(
                io.BytesIO(context),
                headers={"Content-Type": "application/ld+json"},
                status=200,
                preload_content=False,
                request_method="GET",
                request_url=request.url,
            )
            return HTTPAdapter().build_response(request, answer)

        def close(self) -> None:
            """Nothing is open."""

    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", ContextAdapter())
        for url in _KNOWN:
            session.get(url)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the validator's warnings and log lines out of the step's log."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
