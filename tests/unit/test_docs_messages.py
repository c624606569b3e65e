"""Every message that the troubleshooting page explains is one that the program says."""

import argparse
import ast
import errno
import os
import re
from pathlib import Path

import pytest
import snakemake.cli
import snakemake.exceptions

from support.workflow import ROOT

PAGE = ROOT / "docs" / "TROUBLESHOOTING.md"
ROWS = re.findall(r"^\| (`.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
MESSAGES = [message for row in ROWS for message in re.findall(r"`(.+?)`", row)]


@pytest.fixture(scope="module")
def said():
    """Texts of the program (and of those that it is built on), with … for what is filled in."""
    others = [Path(module.__file__) for module in (snakemake.cli, snakemake.exceptions, argparse)]
    files = [*(ROOT / "scripts").rglob("*.py"), *others]
    texts = [text for file in files for text in texts_of(ast.parse(file.read_bytes()))]
    return [*(" ".join(text.split()) for text in texts), os.strerror(errno.ENOENT)]


def texts_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (getattr(part, "value", None) for part in node.values)
            yield "".join(part if isinstance(part, str) else "…" for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


ENDINGS = ("json", "jsonld", "sha256", "zarr", "tsv", "blosc", "datetime64", "timedelta64")
"""Of names of files and of data types, which look like codes."""


def test_every_code_of_a_finding_is_explained():
    docs = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    explained = set(re.findall(r"`([a-z][a-z0-9_-]*\.[a-z0-9_*-]+)`", docs))
    packages = ("inspect_source", "migrate", "ngff", "validate", "batches", "crate", "models")
    said = {
        text
        for package in packages
        for file in (ROOT / "scripts" / "uplift" / package).rglob("*.py")
        for text in texts_of(ast.parse(file.read_bytes()))
        if re.fullmatch(r"[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*", text) and not text.endswith(ENDINGS)
    }
    assert len(said) > 100
    kinds = {code.rstrip("*") for code in explained if code.endswith(".*")}
    assert {code for code in said - explained if f"{code.partition('.')[0]}." not in kinds} == set()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_said(said, message):
    pattern = re.compile(".*".join(map(re.escape, re.split("…|[A-Z]{4,}", message))))
    assert any(pattern.search(text) for text in said)


def test_the_messages_that_users_meet_are_explained():
    assert len(ROWS) >= 20
    assert len(set(MESSAGES)) == len(MESSAGES)
