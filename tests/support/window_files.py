"""The files of windows that a stream leaves, and what an oracle says should be in them."""

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support import reference


def windows_in(folder: Path) -> dict[str, dict[str, int]]:
    """Returns the counts of each window, by the name of its file."""
    return {
        path.name: {
            record["word"]: record["count"]
            for record in map(json.loads, path.read_text("utf-8").splitlines())
        }
        for path in sorted(folder.glob("[!.]*Z_*"))
    }


def panes_together(folder: Path) -> dict[str, dict[str, int]]:
    """Returns the counts of each window, those of its panes added up, as if it had one file."""
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, counts in windows_in(folder).items():
        together[re.sub(r"-pane\d+", "", name)].update(counts)
    return {name: dict(counts) for name, counts in together.items()}


def total_of(windows: Mapping[str, Mapping[str, int]]) -> bytes:
    """Returns the sum of windows as a result of one file."""
    total: Counter[str] = Counter()
    for counts in windows.values():
        total.update(counts)
    return (json.dumps(dict(sorted(total.items())), ensure_ascii=False, indent=2) + "\n").encode()


def name_of(start: float, end: float) -> str:
    """Returns the name of a window's file."""

    def text(second: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))

    return f"{text(start)}_{text(end)}.jsonl"


def time_of(number: int, began: float, rate: int = 10) -> float:
    """Returns the time of a message, in seconds since the epoch, in whole milliseconds as Kafka's.

    Args:
      number: of the message, from 0.
      began: the time of the first one, in whole seconds.
      rate: how many there are a second.
    """
    return began + number * 1000 // rate / 1000


def expected_windows(
    lines: Sequence[bytes],
    windows_of: Callable[[float], Sequence[tuple[float, float]]],
    members: frozenset[str],
    began: float,
    rate: int = 10,
) -> dict[str, dict[str, int]]:
    """Returns what an oracle counts in each window of messages.

    Args:
      lines: the messages.
      windows_of: returns the windows of a moment, each with its start and end, in seconds.
      members: the words of the dictionary.
      began: the time of the first message, in seconds since the epoch.
      rate: how many there are a second.
    """
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines):
        for start, end in windows_of(time_of(number, began, rate)):
            texts[name_of(start, end)].append(line.decode("utf-8", "replace"))
    return {
        name: reference.counts("\n".join(text), members) for name, text in sorted(texts.items())
    }


def fixed(size: int) -> Callable[[float], Sequence[tuple[float, float]]]:
    """Returns what says the fixed window of a moment."""
    return lambda second: [(second // size * size, second // size * size + size)]
