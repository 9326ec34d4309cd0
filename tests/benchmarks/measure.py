"""Measure contenders in turn, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence

from .contenders import Contender

#: Repetitions of one round, by case; a case that is not named has many.
TIMES = {
    "client per test": 5,
    "GET without with": 10,
    "POST of 1 MB of JSON": 3,
    # Enough for the connection not to count.
    "WebSocket echo": 200,
    "WebSocket burst of 10,000": 1,
    "streamed download of 64 MiB": 1,
    "streamed upload of 64 MiB": 1,
    "suite of 500 tests": 1,
    "400 requests of 20 threads": 1,
}
#: The most rounds of what takes long.
ROUNDS = {
    "suite of 500 tests": 3,
    "WebSocket burst of 10,000": 3,
    "streamed download of 64 MiB": 5,
    "streamed upload of 64 MiB": 5,
    "400 requests of 20 threads": 5,
}
_MANY = 20

#: Median of the seconds that one repetition takes, by contender and case.
Medians = dict[str, dict[str, float]]


def measure(contenders: Sequence[Contender], rounds: int, cases: Sequence[str]) -> Medians:
    """Return the medians.

    :param contenders: what to compare
    :param rounds: how often each case is measured
    :param cases: names of the cases, empty for all
    """
    wanted = cases or sorted({case for each in contenders for case in each.batches})
    # A test process has one client. The collector must not look through the modules of all others.
    gc.collect()
    gc.freeze()
    medians: Medians = {each.name: {} for each in contenders}
    for case in wanted:
        able = [each for each in contenders if case in each.batches]
        times = TIMES.get(case, _MANY)
        samples: dict[str, list[float]] = {each.name: [] for each in able}
        for each in able:
            each.batches[case](times)
        for _ in range(min(rounds, ROUNDS.get(case, rounds))):
            for each in able:
                start = time.perf_counter()
                each.batches[case](times)
                samples[each.name].append((time.perf_counter() - start) / times)
        for each in able:
            each.rest()
        for name, seconds in samples.items():
            medians[name][case] = statistics.median(seconds)
    return medians
