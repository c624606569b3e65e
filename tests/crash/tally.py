"""Counts over all crash tests of a session, printed when it ends."""

from collections import defaultdict
from dataclasses import dataclass


@dataclass
class Tally:
    """What one kind of kills came to."""

    runs: int = 0
    kills: int = 0
    differences: int = 0
    shards: int = 0
    begun: int = 0
    allowed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.runs} runs, {self.differences} differences; "
            f"{self.shards} shards, {self.begun - self.shards} begun again of "
            f"{self.allowed} allowed"
        )


TALLIES: defaultdict[str, Tally] = defaultdict(Tally)


def account(kind: str, *, kills: int, same: bool, shards: int, begun: int, workers: int) -> None:
    """Add one run to its kind."""
    tally = TALLIES[kind]
    tally.runs += 1
    tally.kills += kills
    tally.differences += not same
    tally.shards += shards
    tally.begun += begun
    tally.allowed += workers * kills
