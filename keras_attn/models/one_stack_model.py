"""A model of one stack: token ids in, one tensor out."""

import keras

from keras_attn.models.trainable_model import TrainableModel
from keras_attn.models.transformer_stack import TransformerStack, with_embedding


class OneStackModel(TrainableModel):
    """A `TrainableModel` whose input is one int tensor, (B, T), and whose arguments are a stack's.

    A subclass makes the stack, and returns it from `_stack`.
    """

    input_names = ("token_ids",)

    @property
    def _stack(self) -> TransformerStack:
        raise NotImplementedError(f"{type(self).__name__} does not implement `_stack`.")

    def _input_signature(self):
        return [keras.InputSpec(shape=(None, None), dtype="int32", name=self.input_names[0])]

    def _build_parts(self):
        self._stack.build()

    def get_config(self):
        # `name`, `dtype` and the parts are the model's own.
        config = self._stack.get_config()
        config.pop("changed_parts", None)
        return {**config, **super().get_config()}

    @classmethod
    def from_config(cls, config, **options):
        return super().from_config(with_embedding(config), **options)
