"""What moves on a terminal while jobs run, and what is printed elsewhere."""

import io
import json
import os
import pty
import re
import select
import threading
import time

import pytest

from uplift.workflow import display
from uplift.workflow.watch import Watch


def journal(folder, *sizes, whole=True):
    file = folder / "journal" / "0.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"job": "x"}), *(json.dumps({"objects": 1, "bytes": n}) for n in sizes)]
    file.write_text("\n".join(lines) + ("\n" if whole else '\n{"objects": 1, "by'))


def test_progress_is_read_from_journals(tmp_path):
    watch = Watch(tmp_path)
    assert watch.status() is None
    arrays = [{"path": str(n), "objects": 2, "bytes": 200} for n in range(2)]
    (tmp_path / "plan.json").write_text(json.dumps({"arrays": arrays}))
    journal(tmp_path, 100, 50, whole=False)
    first = watch.status()
    assert (first.objects, first.bytes, first.planned_objects, first.planned_bytes) == (
        2,
        150,
        4,
        400,
    )
    assert first.share == 0.375
    assert watch.status().bytes == 150
    journal(tmp_path, 100, 50, 60)
    assert watch.status().bytes == 210
    journal(tmp_path, 30)  # a job has started from the start
    assert watch.status().bytes == 30


def test_a_damaged_plan_leaves_progress_without_a_share(tmp_path):
    (tmp_path / "plan.json").write_text("{")
    journal(tmp_path, 100)
    status = Watch(tmp_path).status()
    assert (status.share, status.bytes) == (0.0, 100)
    assert display.status_texts(status) == ["0 %", "100 B", "1 shard"]


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path):
    stream = io.StringIO()
    shown = display.PlainDisplay(stream, every=0.02)
    journal(tmp_path / "a", 100)
    shown.start(tmp_path)
    shown.show("a", "converting")
    shown.show("b", "")
    deadline = time.monotonic() + 30
    while "converting" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    shown.stop()
    assert stream.getvalue().splitlines()[0] == "a: converting, 0 %, 100 B, 1 shard"
    assert "b:" not in stream.getvalue()


def test_on_a_terminal_bars_move_and_failures_are_red(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        shown = display.display_for(stream)
        journal(tmp_path / "a[b]", 100)
        shown.start(tmp_path)
        shown.show("a[b]", "converting")
        shown.done("x[1]: valid")
        shown.failed("error: [z] failed")
        shown._live.refresh()
        shown.stop()
        shown.stop()
        stream.flush()
        text = ""
        # a terminal hands out what it has so far
        while "converting" not in text and select.select([ours], [], [], 10)[0]:
            text += os.read(ours, 100_000).decode()
    os.close(ours)
    assert "x[1]: valid" in text
    assert "\x1b[31merror: [z] failed" in text
    assert "a[b]" in text
    assert "converting" in text


def test_a_bar_is_full_when_all_slices_are_there_and_not_before(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"arrays": [{"objects": 1, "bytes": 100}]}))
    journal(tmp_path, 120)
    watch = Watch(tmp_path)
    assert watch.status().share == 0.99
    assert display.status_texts(watch.status()) == ["99 %", "120 B", "1 shard"]
    (tmp_path / "convert").mkdir()
    (tmp_path / "convert" / "2-of-2.json").touch()
    assert not watch.status().is_done
    (tmp_path / "convert" / "1-of-2.json").touch()
    assert watch.status().is_done
    assert watch.status().share == 1.0


STATUS = ["62 %", "0:07 left", "4.3 MB of 6.9 MB", "3.9 MB/s", "12 shards"]


@pytest.mark.parametrize(
    ("name", "width", "shown", "texts"),
    [
        ("cells-1", 120, "cells-1", 5),
        ("cells-1", 80, "cells-1", 3),
        ("cells-1", 50, "cells-1", 1),
        (
            "a-plate-with-a-name-of-forty-characters",
            80,
            "a-plate-with-a-name-of-forty-characters",
            1,
        ),
        ("a-plate-with-a-name-of-forty-characters", 60, "a-plate-with…-characters", 1),
    ],
)
def test_a_narrow_terminal_loses_details_before_names(name, width, shown, texts):
    ((cut, steps, kept),) = display.fitting([(name, "converting", STATUS)], width)
    assert (len(cut), cut[0], cut[-1]) == (len(shown), name[0], name[-1])
    assert (steps, len(kept)) == ("converting", texts)
    assert len("  ".join([cut, steps, 16 * "-", *kept])) <= width


def test_many_datasets_are_counted_above_the_bars(tmp_path):
    work = display.Work(tmp_path, "3 of 40 datasets done")
    for n in range(20):
        work.show(f"d{n}", "planning")
    lines = list(display.progress_lines(work))
    assert lines[:2] == ["3 of 40 datasets done", "d0: planning"]
    assert lines[-1] == "and 8 more"
    assert len(lines) == 14


def screen_of(text):
    """Lines of a terminal that is wide and high enough, after all that was written to it."""
    lines, at = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r\n|\r|[^\x1b\r]+", text):
        if part == "\r\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part == "\x1b[1A":
            at -= 1
        elif part == "\x1b[2K":
            lines[at] = ""
        elif part != "\r" and not part.startswith("\x1b"):
            lines[at] += part
    return [line for line in lines if line]


def test_no_line_is_lost_while_bars_come_and_go(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(display, "_TICK_S", 0.0005)
    ours, theirs = pty.openpty()
    seen = []

    def take():
        while b"the end" not in (b"".join(seen[-3:])):
            seen.append(os.read(ours, 100_000))

    reader = threading.Thread(target=take, daemon=True)
    reader.start()
    with os.fdopen(theirs, "w") as stream:
        shown = display.display_for(stream)
        shown.start(tmp_path)
        for n in range(300):
            shown.show("a", "planning" if n % 2 else "")
            shown.show("b", "planning" if n % 3 else "")
            shown.done(f"line {n}")
        shown.stop()
        stream.write("the end\n")
        stream.flush()
        reader.join(30)
    os.close(ours)
    lines = screen_of(b"".join(seen).decode())
    assert lines == [*(f"✓ line {n}" for n in range(300)), "the end"]
