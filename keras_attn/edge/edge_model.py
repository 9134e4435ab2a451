"""The encoder and the step-by-step decoder, with the caches kept outside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_attn.edge.beams import Beams
from keras_attn.edge.litert_graph import LiteRTGraph
from keras_attn.lines.special_tokens import PAD, START

ENCODER_FILE, DECODER_FILE = "encoder.tflite", "decoder.tflite"
# New shapes cost LiteRT a millisecond or two. So source lengths and cache positions are rounded up
# to multiples of these, and most sentences have the same shapes as the one before.
_SOURCE_STEP, _TARGET_STEP = 8, 16
MASKED = -1e9  # added to the logit of a key that a query may not attend to


class EdgeModel:
    """A model and its search in two graphs. Each instance translates one batch at a time.

    The hypotheses of a sentence share one cache. At each position all W of them write their keys
    and values side by side. Nothing is moved when hypotheses change their order: a mask tells which
    of the W each hypothesis, or one of its ancestors, has written.

    Args:
        directory: Path. The directory with the two graphs.
        num_beams: int. Hypotheses per sentence, W, for which the decoder was exported.
        longest_source: int. The largest number of tokens of a source, end token included. The
            graphs may have no more positions.
        num_threads: int.

    Attributes:
        beams: `Beams`. The hypotheses of the remaining sentences after the last step.
    """

    beams: Beams

    def __init__(
        self, directory: Path, num_beams: int, longest_source: int, num_threads: int = 1
    ) -> None:
        self._num_beams, self._longest_source = num_beams, longest_source
        self._encoder = LiteRTGraph(directory / ENCODER_FILE, num_threads)
        self._decoder = LiteRTGraph(directory / DECODER_FILE, num_threads)
        self._encoder.resize({"token_ids": (1, _SOURCE_STEP)})
        self._position = self._capacity = 0
        self._connected: dict[str, np.ndarray] = {}
        self._fed_back: list[tuple[np.ndarray, np.ndarray]] = []
        self._written: list[tuple[np.ndarray, np.ndarray]] = []

    def start(self, sources: Sequence[Sequence[int]], limits: np.ndarray, max_length: int) -> None:
        """Encodes sentences and begins their translations.

        Args:
            sources: B lists of ids, end token included.
            limits: int32, (B,). Largest number of tokens of each translation, end token included.
            max_length: int. The largest limit for which the decoder was exported.
        """
        encoded = [self._encode(ids) for ids in sources]
        rows, longest = len(sources), max(map(len, sources))
        length = self._padded(longest)
        state: dict[str, np.ndarray] = {
            "length_limits": limits,
            "source_mask": np.full((rows, 1, 1, length), MASKED, np.float32),
        }
        for row, ids in enumerate(sources):
            state["source_mask"][row, ..., : len(ids)] = 0.0
        for name, like in encoded[0].items():
            state[name] = np.zeros((rows, like.shape[1], length, like.shape[3]), np.float32)
            for row, tensors in enumerate(encoded):
                state[name][row, :, : tensors[name].shape[2]] = tensors[name][0]
        self._position = 0
        self.beams = Beams.start(rows, self._num_beams, max_length)
        self._connected = {}  # or `beams` would stay as they are, if no shape changes
        state |= {f"beam_{name}": value for name, value in vars(self.beams).items()}
        state["token_ids"] = np.full((rows * self._num_beams, 1), START, np.int32)
        # Most translations are about as long as their sources.
        self._lay_out(state, _filled(min(longest + _SOURCE_STEP, max_length), _TARGET_STEP))

    def step(self) -> None:
        """Extends every live hypothesis by one token."""
        if self._position == self._capacity:
            self._lay_out(self._state(slice(None)), self._capacity + _TARGET_STEP)
        self._decoder.inputs["position"][0] = self._position
        outputs = self._decoder.run()
        if outputs is not self._connected:
            self._connect(outputs)
        width, place = self._num_beams, self._position * self._num_beams
        for cache, new in self._written:
            cache[:, :, place : place + width] = new
        for old, new in self._fed_back:
            old[...] = new
        mask = self._decoder.inputs["target_mask"][:, 0]  # (B, W, P * W)
        if width == 1:
            mask[..., place] = 0.0
        else:
            parents = outputs["parents"]
            mask[..., :place] = mask[self._rows, parents, :place]
            mask[self._rows, self._slots, place + parents] = 0.0
        self._position += 1

    def keep(self, rows: np.ndarray) -> None:
        """Keeps some of the sentences and drops the others.

        Args:
            rows: int, (B',). The sentences to keep, in their order.
        """
        self._lay_out(self._state(rows), self._capacity)

    def _encode(self, token_ids: Sequence[int]) -> dict[str, np.ndarray]:
        length = self._padded(len(token_ids))
        if self._encoder.inputs["token_ids"].shape[1] != length:
            self._encoder.resize({"token_ids": (1, length)})
        self._encoder.inputs["token_ids"][0] = [*token_ids, *[PAD] * (length - len(token_ids))]
        return {name: array.copy() for name, array in self._encoder.run().items()}

    def _padded(self, num_tokens: int) -> int:
        """The length that a source is padded to, never beyond the graph's last position."""
        return min(_filled(num_tokens, _SOURCE_STEP), self._longest_source)

    def _state(self, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
        """A copy of the inputs' contents for some of the sentences."""
        state = {
            name: array[rows].copy()
            for name, array in self._decoder.inputs.items()
            if name not in ("position", "token_ids")
        }
        token_ids = self._decoder.inputs["token_ids"].reshape(-1, self._num_beams)
        state["token_ids"] = token_ids[rows].reshape(-1, 1).copy()
        return state

    def _lay_out(self, state: dict[str, np.ndarray], capacity: int) -> None:
        """Gives the inputs the shapes of a state, with caches of `capacity` positions."""
        self._capacity, width = capacity, self._num_beams
        rows, used = len(state["length_limits"]), self._position * width
        shapes = {name: array.shape for name, array in state.items() if name in self._decoder.names}
        shapes["target_mask"] = (rows, 1, width, capacity * width)
        caches = [name for name in self._decoder.names if name.startswith(("target_k", "target_v"))]
        for name in caches:
            _, heads, _, size = state[name.replace("target", "source")].shape
            shapes[name] = (rows, heads, capacity * width, size)
        before = self._decoder.inputs
        if any(name not in before or before[name].shape != shapes[name] for name in shapes):
            self._decoder.resize(shapes)
        inputs = self._decoder.inputs
        for name in shapes:
            if name in caches:
                inputs[name][:] = 0.0
                if used:
                    inputs[name][:, :, :used] = state[name][:, :, :used]
            elif name == "target_mask":
                inputs[name][:] = MASKED
                if used:
                    inputs[name][..., :used] = state[name][..., :used]
            else:
                inputs[name][:] = state[name]
        self._rows, self._slots = np.ogrid[:rows, :width]

    def _connect(self, outputs: dict[str, np.ndarray]) -> None:
        """Finds which outputs become which inputs of the next step, and in which form."""
        inputs, width = self._decoder.inputs, self._num_beams
        self._connected = outputs
        self._written = [
            (
                inputs[name.replace("new", "target")],
                new.reshape(-1, width, *new.shape[1:]).transpose(0, 2, 1, 3),  # (B, H, W, K)
            )
            for name, new in outputs.items()
            if name.startswith("new")
        ]
        self._fed_back = [(inputs[name], outputs[name]) for name in inputs if name in outputs]
        self._fed_back.append((inputs["token_ids"], outputs["next_token_ids"]))
        beams = {name[5:]: array for name, array in outputs.items() if name.startswith("beam_")}
        self.beams = Beams(**beams, scores=outputs["scores"])


def _filled(length: int, step: int) -> int:
    return -(-length // step) * step
