"""Requests that wait together are computed together, and each gets its own rows."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.batcher import Batcher, BatchingOptions
from keras_attn.serving.status_code import StatusCode


class Model:
    """Doubles numbers. The first batch waits until it is let go, so that others queue up."""

    def __init__(self) -> None:
        self.go, self.batches = threading.Event(), []

    def run(self, signature, inputs, outputs, timeout):
        self.batches.append((signature, inputs["x"].tolist(), timeout))
        assert self.go.wait(10)
        if (inputs["x"] < 0).any():
            raise SessionError(StatusCode.INVALID_ARGUMENT, "negative")
        return {"y": 2 * inputs["x"]}


async def until_computed(model):
    """Waits until the first batch is computed: nothing joins it any more."""
    async with asyncio.timeout(30):
        while not model.batches:
            await asyncio.sleep(0.001)


def submit_all(model, requests, **options):
    """Results or errors of (signature, numbers) that come while the first is computed."""

    async def main():
        batcher = Batcher(model.run, BatchingOptions(num_batch_threads=1, **options))
        tasks = []
        for signature, numbers in requests:
            inputs = {"x": np.asarray(numbers)}
            tasks.append(asyncio.create_task(batcher.submit(signature, inputs)))
            await asyncio.sleep(0.02)
            await until_computed(model)
        model.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.join()
        return [one["y"].tolist() if isinstance(one, dict) else one for one in results]

    return asyncio.run(main())


def test_waiting_requests_share_a_batch_and_get_their_rows() -> None:
    model = Model()
    results = submit_all(model, [("a", [1]), ("a", [2, 3]), ("b", [4]), ("a", []), ("a", [5])])
    assert results == [[2], [4, 6], [8], [], [10]]
    assert [batch[:2] for batch in model.batches] == [("a", [1]), ("a", [2, 3, 5]), ("b", [4])]


def test_a_batch_is_not_larger_than_allowed() -> None:
    model = Model()
    requests = [("a", [0]), ("a", [1, 2]), ("a", [3, 4]), ("a", [5, 6, 7, 8, 9]), ("a", [10])]
    results = submit_all(model, requests, max_batch_size=4)
    assert results == [[2 * x for x in numbers] for _, numbers in requests]
    sizes = [len(batch[1]) for batch in model.batches]
    assert sizes == [1, 4, 5, 1]  # a larger request is computed alone


def test_a_bad_request_fails_alone() -> None:
    model = Model()
    results = submit_all(model, [("a", [1]), ("a", [2]), ("a", [-3]), ("a", [4])])
    assert results[0] == [2] and results[1] == [4] and results[3] == [8]
    assert results[2].code == StatusCode.INVALID_ARGUMENT


def test_requests_that_cannot_be_joined_are_computed_alone() -> None:
    results = submit_all(Model(), [("a", [[1]]), ("a", [[2, 3]]), ("a", [[4]])])
    assert results == [[[2]], [[4, 6]], [[8]]]


def test_requests_without_axes_are_computed_alone() -> None:
    assert submit_all(Model(), [("a", 1), ("a", 2), ("a", 3)]) == [2, 4, 6]


def test_requests_that_are_given_up_make_room() -> None:
    model = Model()

    async def main():
        batcher = Batcher(model.run, BatchingOptions(num_batch_threads=1, max_waiting=2))
        inputs = {"x": np.ones(1)}
        first = asyncio.create_task(batcher.submit("a", inputs))
        await until_computed(model)
        for _ in range(5):
            with pytest.raises(SessionError, match="Timed out"):
                await batcher.submit("a", inputs, deadline=time.monotonic() + 0.02)
        model.go.set()
        await first
        await batcher.join()

    asyncio.run(main())
    assert len(model.batches) == 1


def test_too_many_requests_are_refused() -> None:
    results = submit_all(Model(), [("a", [1]), ("a", [2]), ("a", [3]), ("a", [4])], max_waiting=2)
    assert results[:3] == [[2], [4], [6]]
    assert results[3].code == StatusCode.UNAVAILABLE


def test_outputs_that_do_not_fit_are_an_error_of_the_model() -> None:
    async def main():
        go = threading.Event()

        def run(signature, inputs, outputs, timeout):
            go.wait(10)
            return {"y": np.zeros(7)}

        batcher = Batcher(run, BatchingOptions(num_batch_threads=1))
        submitted = [batcher.submit("a", {"x": np.ones(1)}) for _ in range(3)]
        tasks = [asyncio.create_task(one) for one in submitted]
        await asyncio.sleep(0.02)
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    # Alone, a request gets what the model says; together nobody knows whose row is whose.
    assert all(len(one["y"]) == 7 for one in asyncio.run(main()))


def test_a_deadline_ends_the_wait_and_bounds_the_computation() -> None:
    model = Model()

    async def main():
        batcher = Batcher(model.run, BatchingOptions(num_batch_threads=1))
        inputs, now = {"x": np.ones(1)}, time.monotonic()
        first = asyncio.create_task(batcher.submit("a", inputs, deadline=now + 0.6))
        await until_computed(model)
        second = asyncio.create_task(batcher.submit("a", inputs, deadline=now + 0.9))
        results = await asyncio.gather(first, second, return_exceptions=True)
        seconds = time.monotonic() - now
        model.go.set()
        await batcher.join()
        return results, seconds

    results, seconds = asyncio.run(main())
    assert [one.code for one in results] == [StatusCode.DEADLINE_EXCEEDED] * 2
    assert 0.85 < seconds < 8
    assert len(model.batches) == 1  # the second was given up before it was computed
    assert 0.1 < model.batches[0][2] <= 0.6


def test_a_request_waits_for_others_for_the_stated_time() -> None:
    model = Model()
    model.go.set()

    async def main():
        options = BatchingOptions(num_batch_threads=1, batch_timeout=1.0, max_batch_size=3)
        batcher = Batcher(model.run, options)

        async def later(seconds, numbers):
            await asyncio.sleep(seconds)
            started = time.monotonic()
            await batcher.submit("a", {"x": np.asarray(numbers)})
            return time.monotonic() - started

        return await asyncio.gather(later(0, [1]), later(0.1, [2]), later(1.5, [3, 4, 5]))

    waits = asyncio.run(main())
    assert [batch[1] for batch in model.batches] == [[1, 2], [3, 4, 5]]
    assert waits[0] >= 0.98 and waits[2] < 0.9  # a full batch does not wait


def test_a_full_batch_does_not_wait_for_another_signature() -> None:
    model = Model()
    model.go.set()

    async def main():
        options = BatchingOptions(num_batch_threads=1, batch_timeout=1.0, max_batch_size=3)
        batcher = Batcher(model.run, options)
        older = asyncio.create_task(batcher.submit("a", {"x": np.asarray([1])}))
        await asyncio.sleep(0.02)
        started = time.monotonic()
        await batcher.submit("b", {"x": np.asarray([2, 3, 4])})
        seconds = time.monotonic() - started
        await older
        return seconds

    assert asyncio.run(main()) < 0.9
    assert [batch[1] for batch in model.batches] == [[2, 3, 4], [1]]


@pytest.mark.parametrize("name", ["max_batch_size", "num_batch_threads", "max_waiting"])
def test_wrong_options(name) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1. Received: 0"):
        BatchingOptions(**{name: 0})
