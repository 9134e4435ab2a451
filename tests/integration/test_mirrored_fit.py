"""Plain `model.fit` under MirroredStrategy makes the updates of one device."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

# `tests/training/replicas/test_distributed.py` keeps these promises for our own batches.
pytestmark = pytest.mark.slow

# In a process of its own: logical devices can only be made before TensorFlow starts.
SCRIPT = """
import json
import keras, numpy as np, tensorflow as tf
import keras_attn
from keras_attn.training import LabelSmoothedCrossEntropy, Perplexity

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
random = np.random.default_rng(0)
ids = random.integers(4, 19, (12, 7)).astype("int32")
lengths = np.array([7, 7, 2, 1, 7, 6, 1, 1, 5, 2, 3, 0])  # uneven between the halves of a batch
labels = np.where(np.arange(7) < lengths[:, None], ids, 0).astype("int32")
inputs = {"encoder_token_ids": ids[:, ::-1].copy(), "decoder_token_ids": ids}
data = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(4)
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for strategy in (two, tf.distribute.OneDeviceStrategy("CPU:0")):
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = keras_attn.create_model(
            "transformer_tiny", source_vocabulary_size=19, hidden_dim=8, num_heads=2, num_layers=1,
            dropout=0.0,
        )
        model.compile("sgd", LabelSmoothedCrossEntropy(0.1), weighted_metrics=[Perplexity()])
    history = model.fit(data.with_options(options), epochs=2, verbose=0).history
    print(json.dumps([float(np.sum(w * (i + 1))) for i, w in enumerate(model.get_weights())]))
    print(json.dumps(history["perplexity"]))
with two.scope():
    model = keras_attn.models.Transformer(19, None, 8, 16, 2, 1)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
print(json.dumps(model.fit(data.with_options(options), verbose=0).history["loss"]))
"""


@pytest.fixture(scope="module")
def printed():
    """Weights and perplexities on two devices, on one, and losses of a model that is not built."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.strip().splitlines()[-5:]]


def test_two_replicas_with_uneven_tokens_make_the_updates_of_one(printed):
    weights, perplexity, expected, expected_perplexity, _ = printed
    np.testing.assert_allclose(weights, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(perplexity, expected_perplexity, rtol=1e-5)


def test_a_model_that_is_not_built_trains_as_well(printed):
    losses = printed[-1]
    assert np.isfinite(losses).all() and losses[0] > 0
