"""Counts over all crash tests of a session, printed when it ends."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What one kind of kills came to."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    differences: int = 0
    shards: int = 0
    started: int = 0
    allowed: int = 0

    def __str__(self) -> str:
        ways = ", ".join(f"{number} {way}" for way, number in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills ({ways}) in {self.runs} runs, {self.differences} "
            f"differences; {self.shards} shards, {self.started - self.shards} started again of "
            f"{self.allowed} allowed"
        )


TALLIES: defaultdict[str, Tally] = defaultdict(Tally)


def account(
    kind: str, *, kills: Sequence[str], same: bool, shards: int, started: int, workers: int
) -> None:
    """Add one run to its kind; `kills` has a word for each."""
    tally = TALLIES[kind]
    tally.runs += 1
    tally.kills.update(kills)
    tally.differences += not same
    tally.shards += shards
    tally.started += started
    tally.allowed += workers * len(kills)
