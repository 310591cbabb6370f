"""Threads work ahead, and their results come in the order of the work."""

import threading
from collections.abc import Iterator

import pytest

from transforms.stages.threads import AHEAD, map_in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_function_is_mapped_in_order_and_not_far_ahead(threads: int) -> None:
    begun = 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        nonlocal begun
        for item in range(50):
            with lock:
                begun += 1
            yield item

    done = 0
    for result in map_in_order(lambda item: item * item, items(), threads):
        assert result == done * done
        done += 1
        assert begun <= done + AHEAD * threads + 1
    assert done == 50


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_function_is_raised(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda item: 1 // item, [1, 0, 1], threads))
