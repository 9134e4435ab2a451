"""Three ways to keep the caches of a search, as the "rows" of a model's state.

Moving keys and values with the hypotheses costs a good part of a step, so they stay where they are
if possible. `start` chooses the way; a step asks it for the caches to read, and hands back the
caches that it wrote. A cache here is the `tensors` of a `SelfCache`.

A prompt, which all hypotheses of a sentence share, is read before the first step by `fill`: a
function that takes caches with one row per sentence, and returns them with the prompt.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attn.ops import beam_mask

Tensor = Any
State = dict[str, Any]
Fill = Callable[[list[Any]], list[Any]]  # caches, one per block, to the same with a prompt


class OpenCaches(NamedTuple):
    """The caches as a step reads them.

    Args:
        blocks: list of caches, one per block.
        beam_mask: bool, (B, W, S, W), for caches that W hypotheses share; else `()`.
        num_beams: int. Hypotheses of a sentence, W, or None if that is unknown.
    """

    blocks: list[Any]
    beam_mask: Tensor = ()
    num_beams: int | None = None


class MovedCaches(NamedTuple):
    """Each hypothesis has its own caches, (R, ...), and the search moves them with it.

    Used if the number of hypotheses is unknown, or if an attention cannot share.
    """

    blocks: list[Any]

    def open(self, state: State) -> tuple["MovedCaches", OpenCaches]:
        """What stays in "rows", and the caches to read."""
        return self, OpenCaches(self.blocks)

    def close(self, blocks: list[Any]) -> State:
        """The parts of the state that hold the caches after a step."""
        return {"rows": MovedCaches(blocks)}

    def read(self, state: State, fill: Fill, num_tokens: Tensor) -> State:
        """The parts of the state after the first `num_tokens` positions."""
        return self.close(fill(self.blocks))


class StillCaches(NamedTuple):
    """Each sentence has one hypothesis, with its caches, (B, ...), in "carried"; nothing moves."""

    def open(self, state: State) -> tuple["StillCaches", OpenCaches]:
        """What stays in "rows", and the caches to read."""
        return self, OpenCaches(state["carried"], num_beams=1)

    def close(self, blocks: list[Any]) -> State:
        """The parts of the state that hold the caches after a step."""
        return {"rows": self, "carried": blocks}

    def read(self, state: State, fill: Fill, num_tokens: Tensor) -> State:
        """The parts of the state after the first `num_tokens` positions."""
        return self.close(fill(state["carried"]))


class SharedCaches(NamedTuple):
    """The W hypotheses of a sentence share the caches, (B, H, S, W, K), in "carried".

    Each writes into its own slot. Only its history moves with a hypothesis.

    Args:
        history: int, (R, S). The slot that the hypothesis or its ancestor wrote at each position;
            -1 for positions not written yet.
    """

    history: Tensor

    def open(self, state: State) -> tuple["SharedCaches", OpenCaches]:
        """The history with this position, and the caches to read."""
        num_beams = keras.tree.flatten(state["carried"])[0].shape[3]
        slots = ops.arange(ops.shape(self.history)[0], dtype="int32") % num_beams  # (R,)
        positions = ops.arange(ops.shape(self.history)[1], dtype="int32")
        is_now = ops.equal(positions, state["position"])
        history = ops.where(is_now, slots[:, None], self.history)
        caches = OpenCaches(state["carried"], beam_mask(history, num_beams), num_beams)
        return SharedCaches(history), caches

    def close(self, blocks: list[Any]) -> State:
        """The parts of the state that hold the caches after a step."""
        return {"rows": self, "carried": blocks}

    def read(self, state: State, fill: Fill, num_tokens: Tensor) -> State:
        """The parts of the state after the first `num_tokens` positions, all in the first slot."""
        num_beams = keras.tree.flatten(state["carried"])[0].shape[3]
        own = keras.tree.map_structure(lambda cache: cache[:, :, :, 0], state["carried"])
        filled = keras.tree.map_structure(lambda cache: _spread(cache, num_beams), fill(own))
        positions = ops.arange(ops.shape(self.history)[1], dtype="int32")
        history = ops.where(ops.less(positions, num_tokens), 0, self.history)
        return SharedCaches(history).close(filled)


def _spread(cache: Tensor, num_beams: int) -> Tensor:
    """A cache of one hypothesis as the first of W: (B, H, S, K) -> (B, H, S, W, K)."""
    padding = [[0, 0]] * (len(cache.shape) + 1)
    padding[3] = [0, num_beams - 1]
    return ops.pad(cache[:, :, :, None], padding)
