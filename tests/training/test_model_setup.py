"""What a recipe compiles its model with."""

import keras
import pytest

import keras_attn
from keras_attn.training.model_setup import compile_model
from keras_attn.training.recipe.training_recipe import TrainingRecipe


@pytest.fixture(name="model")
def a_small_model():
    return keras_attn.create_model(
        "transformer_tiny", source_vocabulary_size=11, hidden_dim=8, num_heads=2
    )


def test_the_optimizer_is_the_papers(model):
    compile_model(model, TrainingRecipe(max_steps=1, jit_compile=False))
    config = model.optimizer.get_config()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert (config["beta_1"], config["beta_2"], config["epsilon"]) == (0.9, 0.98, 1e-9)
