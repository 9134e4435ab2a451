"""Rotary position embedding (Su et al., 2021)."""

import math

import keras
from keras import ops

from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.ops.rotary import rotary_frequencies, rotate_pairs, yarn_frequencies
from keras_attn.system.argument_checks import check_integer

_SCALINGS = (None, "linear", "yarn")


@keras.saving.register_keras_serializable(package="keras_attn")
class RotaryEmbedding(AttentionPosition):
    """Turns each pair of components of queries and keys by an angle that grows with the position.

        q_m = R(m theta) q,   k_n = R(n theta) k,   q_m . k_n depends on n - m only

    It has no weights, and its cost is negligible. In attention, choose it with
    `position="rotary"`; called by itself, it turns heads. Angles are float32 under every policy.

    A model can take longer sequences than it was trained on with `scaling="linear"` (positions are
    divided by `factor`; Chen et al., 2023) or `"yarn"` (slow pairs are slowed down, fast ones stay,
    and the logits are sharpened by `(0.1 ln(factor) + 1)^2`; Peng et al., 2023).

    Args:
        max_wavelength: float. Longest wavelength divided by 2 pi. Defaults to `10_000.0`.
        scaling: None, `"linear"` or `"yarn"`. Defaults to None.
        factor: float of at least 1. How many times as long the sequences become.
        original_length: int. Longest training sequence, in tokens; for `"yarn"`.
        halves: bool. Pairs are components i and i + K / 2, as in GPT-NeoX and Llama, instead of
            2i and 2i + 1, as in the paper. Defaults to `False`.
        **kwargs: `name`, `dtype`, as in `keras.layers.Layer`.

    Call arguments:
        heads: float, (B, H, T, K).
        start_index: int or int scalar tensor. The first of the T positions.

    Returns:
        float, of the shape of `heads`.

    Raises:
        ValueError: if the size of a head is odd, or an argument is out of range.

    Example:
    >>> layer = keras_attn.layers.RotaryEmbedding()
    >>> layer(keras.ops.ones((1, 1, 2, 2))).numpy().round(2)[0, 0].tolist()
    [[1.0, 1.0], [-0.30000001192092896, 1.3799999952316284]]

    References:
        - [Su et al., 2021](https://arxiv.org/abs/2104.09864).
        - [Chen et al., 2023](https://arxiv.org/abs/2306.15595), linear scaling.
        - [Peng et al., 2023](https://arxiv.org/abs/2309.00071), YaRN.
    """

    def __init__(
        self,
        max_wavelength=10_000.0,
        scaling=None,
        factor=1.0,
        original_length=None,
        halves=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.max_wavelength = max_wavelength
        self.scaling = scaling
        self.factor = float(factor)
        self.original_length = original_length
        self.halves = halves
        self._check_arguments()

    def _check_arguments(self):
        if self.scaling not in _SCALINGS:
            raise ValueError(
                f"`scaling` must be one of {_SCALINGS}. Received: scaling={self.scaling!r}."
            )
        if not self.factor >= 1.0:
            raise ValueError(f"`factor` must be at least 1. Received: factor={self.factor}.")
        if self.scaling is None and self.factor != 1.0:
            raise ValueError(
                "`factor` has no effect without a `scaling`. "
                f"Received: factor={self.factor}, scaling=None."
            )
        if self.scaling == "yarn":
            if self.original_length is None:
                raise ValueError(
                    "`original_length` must be given for scaling='yarn': the longest sequence of "
                    "the training, in tokens. Received: None."
                )
            self.original_length = check_integer("original_length", self.original_length)

    def build(self, heads_shape=None):
        if heads_shape is not None and heads_shape[-1] % 2:
            raise ValueError(
                "Rotary positions need heads of an even size. "
                f"Received: heads of {heads_shape[-1]}; change `key_dim`."
            )
        self.built = True

    def rotate(self, heads, positions):
        frequencies = rotary_frequencies(heads.shape[-1], self.max_wavelength)
        scale = 1.0
        if self.scaling == "linear":
            frequencies = frequencies / self.factor
        elif self.scaling == "yarn":
            frequencies = yarn_frequencies(frequencies, self.factor, self.original_length)
            scale = 0.1 * math.log(self.factor) + 1.0
        frequencies = ops.convert_to_tensor(frequencies.astype("float32"))
        angles = ops.cast(positions, "float32")[..., None] * frequencies
        return rotate_pairs(heads, angles, scale, self.halves)

    def get_config(self):
        return {
            **super().get_config(),
            "max_wavelength": self.max_wavelength,
            "scaling": self.scaling,
            "factor": self.factor,
            "original_length": self.original_length,
            "halves": self.halves,
        }
