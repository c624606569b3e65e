"""Snakemake's errors, and those of Snakefiles, in one line: where, and what is wrong."""

import difflib
import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from uplift.errors import remedy_for
from uplift.models.json_text import shown

_HEAD = re.compile(
    r'(?P<kind>\w+)(?: in rule \S+)?(?: in file "(?P<file>.+?)", line (?P<line>\d+))?[:.]'
)
_FRAME = re.compile(r'\s*File "(?P<file>.+?)", line (?P<line>\d+), in ')
_OWN = re.compile(
    r"^\s*(?:Error: )?InputError(?:: | in file .+, line \d+:\n)(?P<what>.+)$", re.MULTILINE
)
"""An error of this project, which is complete, inside one of Snakemake's."""
_NO_RULE = re.compile(r"No rule to produce (?P<what>\S+)")
_OF_SYSTEM = re.compile(r"\[Errno (?P<number>\d+)\] (?P<what>[^:\n]+)(?:: '(?P<path>.+?)')?")
"""An error of the operating system, as Python words it: where it wrote, without the file."""
_VANISHED = re.compile(r"Unable to obtain modification time of file (?P<what>\S+) although it")
_CONFIGS = (Path("config/config.yaml"), Path(__file__).parents[3] / "config" / "config.yaml")
"""Of the folder of the run, and of this project."""
_WRONG_CONFIG = (
    "Config file is not valid JSON or YAML",
    "Config file must be given as JSON or YAML with keys at top level",
    "UnicodeDecodeError in file",
    "ValueError in file",  # of a day that there is not; also of much else
)
_TRACEBACK = "Traceback (most recent call last):"
_END_OF_FILE = re.compile(r"\('(?P<what>.+)', \((?P<line>\d+), \d+\)\)")
_CONSEQUENCES = (
    "At least one job did not complete",
    "CalledProcessError",
    "Exiting because a job execution failed",
    "SpawnedJobError",
)


def is_consequence(text: str) -> bool:
    """Whether a message only says that a job failed, which is printed elsewhere in better words."""
    return any(one in text for one in _CONSEQUENCES)


def one_line(
    text: str, workflow: Any = None, files: Mapping[str, object] = MappingProxyType({})
) -> str:
    """File, line and reason of an error, without the traceback, which Snakemake's log has.

    Parameters
    ----------
    text
        As Snakemake prints an exception: class, file and line, message, frames.
    workflow
        Snakemake's; it knows which Snakefile is being read.
    files
        By dataset: the file to name as a target instead of the dataset.

    Returns
    -------
    str
        What went wrong where, and what to do.
    """
    if own := _OWN.search(text):
        return own["what"]
    if any(one in text for one in _WRONG_CONFIG):
        found = filter(None, map(_mistake_in_config, _CONFIGS))
        if (line := next(found, None)) is not None:
            return line
    if vanished := _VANISHED.search(text):
        return (
            f"{vanished['what']}: another run in this folder has just deleted it; wait for that "
            "run to end, then run again"
        )
    if no_rule := _NO_RULE.search(text):
        return _no_rule(no_rule["what"], workflow, files)
    if "Target rules may not contain wildcards" in text:
        return (
            "a step is not a target, since each dataset has its own; name its file, such as "
            "results/cells/plan.json, or one of: all, plans, report"
        )
    lines = text.strip().splitlines()
    system = _OF_SYSTEM.search(text)
    if system and int(system["number"]) != errno.ENOENT:  # which is where a Snakefile is wrong
        remedy = remedy_for(OSError(int(system["number"]), ""))
        return f"{system['path'] or _written_to(files)}: {system['what']}; {remedy}"
    if _TRACEBACK in lines:
        return _python_error(lines[lines.index(_TRACEBACK) + 1 :])
    unclosed = _END_OF_FILE.search(text)
    if unclosed and text.startswith("TokenError"):
        stack = getattr(workflow, "included_stack", None) or [None]
        at = _file_and_line(_path_of(stack[-1]), unclosed["line"])
        return f"{at}SyntaxError: {unclosed['what']}"
    return _joined(_parts(line for line in lines if not _FRAME.match(line)))


def _mistake_in_config(file: Path) -> str | None:
    """An error in a config that the Snakefile reads; others are read before this code runs."""
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return f"{file}, line {line}: not YAML: {error.problem}; correct the indentation or quotes"
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        return f"{file}, line {line}: not UTF-8 text; save it as UTF-8"
    except (yaml.YAMLError, ValueError) as error:  # a character, or a day that there is not
        what = " ".join(str(error).split())
        return f"{file}: not YAML: {what}; correct it, or put quotes around the text"
    except OSError:
        return None
    if isinstance(content, dict):
        return None
    what = "is empty" if content is None else f"{shown(content)} is not a mapping"
    return f"{file}: {what}; write a key and its value in each line, such as samples: sheet.csv"


def _written_to(files: Mapping[str, object]) -> str:
    """Where Snakemake writes: the system's error does not always name the file."""
    results = next((Path(str(file)).parent.parent for file in files.values()), "results")
    return f"{results} or .snakemake"


def _no_rule(name: str, workflow: Any, files: Mapping[str, object]) -> str:
    """An error about a misspelled step or target, a dataset, or a file that no step makes."""
    if name in files:
        return f"{name}: a dataset is not a target; ask for its last file: {files[name]}"
    known = [rule.name for rule in getattr(workflow, "rules", ())]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"{name}: no step or target of that name, and no file that a step makes; {hint}"


def _path_of(source: Any) -> str | None:
    return None if source is None else str(source.get_path_or_uri(secret_free=True))


def _parts(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        text = line.strip()
        head = _HEAD.fullmatch(text)
        if head and ("Error" in head["kind"] or "Exception" in head["kind"]):
            yield _file_and_line(head["file"], head["line"]) + _kind(head["kind"])
        elif text and text != "None":  # of a syntax error without its source
            yield text.removeprefix("Error: ")


def _file_and_line(file: str | None, line: str | None) -> str:
    if not file:
        return ""
    near = os.path.relpath(file)
    return f"{file if near.startswith('..') else near}, line {line}: "


def _kind(name: str) -> str:
    """Python's errors keep their names; those of Snakemake say the same in their message."""
    return "" if name.endswith("Exception") or name == "WorkflowError" else f"{name}: "


def _joined(parts: Iterator[str]) -> str:
    text = ""
    for part in parts:
        if text and not text.endswith((": ", ":", ",", ".")):
            text += ";"
        text += part if not text or text.endswith(" ") else f" {part}"
    return text.rstrip(" :;")


def _python_error(lines: list[str]) -> str:
    """The last line of a traceback, with the innermost frame."""
    frames = [frame for frame in map(_FRAME.match, lines) if frame]
    at = _file_and_line(frames[-1]["file"], frames[-1]["line"]) if frames else ""
    said = next((line for line in lines if line and not line.startswith(" ")), "")
    return at + said
