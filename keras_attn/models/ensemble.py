"""Several models that predict together."""

import math

import keras
from keras import ops

from keras_attn.layers.plain_config import deserialize_part, serialize_part
from keras_attn.models.input_checks import check_inputs
from keras_attn.models.seq2seq_model import Seq2SeqModel

# The parts of a state that are kept for each model; the position is the same for all.
_OWN_PARTS = ("source", "rows", "carried", "constants")


@keras.saving.register_keras_serializable(package="keras_attn")
class Ensemble(Seq2SeqModel):
    """Averages the predictions of several models, of the same kind or of different kinds.

    At each position, the probability of a token is the mean of what the M models give:

        P(y_t | y_<t, X) = 1/M Σ_i P_i(y_t | y_<t, X)

    and the logits are the logarithms of these probabilities. So a search, a score or an export of
    an ensemble is that of one model with these probabilities. It takes the time and the memory of
    its models together. Models that were trained independently make different mistakes, and most
    of what an ensemble gains comes from that; models of different kinds differ most.

    To reduce several checkpoints of one run to one model, take the mean of their weights instead
    (`keras_attn.training.average_checkpoints`): it costs no time.

    Args:
        models: list of two or more `Seq2SeqModel`, with the same tokens for the same ids. Each
            keeps its weights; the ensemble has none of its own.
        **kwargs: `name`, `dtype`, as in `keras.Model`. The mean is computed in float32.

    Call arguments:
        inputs: dict of `"encoder_token_ids"`, int (B, S), and `"decoder_token_ids"`, int (B, T);
            0 is padding.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V), float32: logarithms of probabilities.

    Attributes:
        models: list of `Seq2SeqModel`.

    Raises:
        ValueError: if there are fewer than two models, two of them share a layer, or their
            vocabularies differ in size.

    Example:
    >>> model = keras_attn.models.Ensemble(
    ...     [keras_attn.create_model(preset, source_vocabulary_size=20)
    ...      for preset in ("transformer_tiny", "rnn_tiny")])
    >>> logits = model({"encoder_token_ids": keras.ops.array([[4, 5, 3]]),
    ...                 "decoder_token_ids": keras.ops.array([[2, 6]])})
    >>> float(keras.ops.round(keras.ops.sum(keras.ops.exp(logits[0, 0])), 5))
    1.0

    References:
        - [Sutskever et al., 2014](https://arxiv.org/abs/1409.3215), Section 3.6: ensembles of
          translation models.
    """

    def __init__(self, models, **kwargs):
        super().__init__(**kwargs)
        self.models = _check_models(models)
        self.source_vocabulary_size = self.models[0].source_vocabulary_size
        self.target_vocabulary_size = self.models[0].target_vocabulary_size
        limits = [model.max_sequence_length for model in self.models]
        self.max_sequence_length = min((one for one in limits if one is not None), default=None)
        if all(model.built for model in self.models):
            self.build()

    def _build_parts(self):
        for model in self.models:
            model._ensure_built()

    def call(self, inputs, training=None):
        check_inputs(inputs)
        return _mean_log_probabilities([model(inputs, training=training) for model in self.models])

    def start(self, encoder_token_ids, max_length, num_beams=None):
        self._ensure_built()
        states = [model.start(encoder_token_ids, max_length, num_beams) for model in self.models]
        return _together(states)

    def decode_step(self, token_ids, state):
        steps = [
            model.decode_step(token_ids, own)
            for model, own in zip(self.models, self._apart(state), strict=True)
        ]
        all_logits, states = zip(*steps, strict=True)
        return _mean_log_probabilities(all_logits), _together(states)

    def _apart(self, state):
        """The state of each model."""
        return [
            {**{part: state[part][i] for part in _OWN_PARTS}, "position": state["position"]}
            for i in range(len(self.models))
        ]

    def attention_scores(self, inputs):
        """The cross-attention of each model: the mean over its layers and heads.

        Args:
            inputs: dict of `"encoder_token_ids"`, (B, S), and `"decoder_token_ids"`, (B, T).

        Returns:
            dict of `"cross"`, (B, M, 1, T, S), with one layer of one head for each model.
        """
        self._ensure_built()
        cross = [model.attention_scores(inputs).get("cross") for model in self.models]
        if any(scores is None for scores in cross):
            raise NotImplementedError("One of the models has no attention to the source.")
        means = [ops.mean(ops.cast(scores, "float32"), axis=(1, 2)) for scores in cross]
        return {"cross": ops.stack(means, axis=1)[:, :, None]}

    def compute_output_shape(self, input_shape):
        return (*input_shape["decoder_token_ids"], self.target_vocabulary_size)

    def compute_output_spec(self, inputs, training=None):
        # float32 whatever the policy, unlike what Keras would take from it.
        shapes = {name: inputs[name].shape for name in self.input_names}
        return keras.KerasTensor(self.compute_output_shape(shapes), dtype="float32")

    def get_config(self):
        return {**super().get_config(), "models": [serialize_part(one) for one in self.models]}

    @classmethod
    def from_config(cls, config, **options):
        models = [deserialize_part(model) for model in config["models"]]
        return super().from_config({**config, "models": models}, **options)


def _together(states):
    """The states of all models as one; what a model leaves out is an empty nest."""
    parts = {part: [state.get(part, ()) for state in states] for part in _OWN_PARTS}
    return {**parts, "position": states[0]["position"]}


def _mean_log_probabilities(all_logits):
    """The logarithm of the mean probability, from the logits of each model."""
    logs = [ops.log_softmax(ops.cast(logits, "float32"), axis=-1) for logits in all_logits]
    return ops.logsumexp(ops.stack(logs), axis=0) - math.log(len(logs))


def _check_models(models):
    models = list(models)
    kinds = ", ".join(type(model).__name__ for model in models) or "none"
    if len(models) < 2 or not all(isinstance(model, Seq2SeqModel) for model in models):
        raise ValueError(f"`models` must be two or more translation models. Received: {kinds}.")
    layers = [id(layer) for model in models for layer in model._flatten_layers()]
    if len(set(layers)) < len(layers):
        raise ValueError(f"`models` must not share layers. Received: {kinds}.")
    for side in ("source", "target"):
        sizes = [getattr(model, f"{side}_vocabulary_size") for model in models]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"`models` must have the same {side} vocabulary. "
                f"Received: {', '.join(map(str, sizes))} tokens."
            )
    return models
