"""An attention of one's own, in under twenty lines: trained, cached, exported, served."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn
from keras_attn.layers import MultiHeadAttention
from keras_attn.serving import export_saved_model
from tests.support.running_server import running_server


@keras.saving.register_keras_serializable(package="tests")
class CosineAttention(MultiHeadAttention):
    """Henry et al., 2020: vectors of length one, and a learned temperature for each head."""

    treats_keys_alike = True

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        shape = (self.num_heads, 1, 1)
        self.temperature = self.add_weight(name="temperature", shape=shape, initializer="ones")

    def attention_logits(self, query, key, positions=None):
        query, key = ops.normalize(query, axis=-1), ops.normalize(key, axis=-1)
        return super().attention_logits(query, key, positions) * 8.0 * self.temperature


@pytest.mark.slow
def test_a_preset_takes_it_by_name_and_everything_else_stays(tmp_path):
    assert len(inspect.getsource(CosineAttention).splitlines()) < 20
    keras.utils.set_random_seed(5)
    tokenizer = keras_attn.data.ByteTokenizer()
    model = keras_attn.create_model(
        "transformer_tiny",
        source_vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=48,
        num_layers=1,
        attention="tests>CosineAttention",
        position="rotary",
        normalize_first=True,
    )
    words = ["abc", "bcd", "cab", "dab", "bad", "cad", "add", "dad"]
    sources, targets = (
        np.array([[*ids, tokenizer.end_token_id] for ids in tokenizer.tokenize(texts).to_list()])
        for texts in (words, [word[::-1] for word in words])
    )
    start = np.full((len(words), 1), tokenizer.start_token_id)
    inputs = {
        "encoder_token_ids": sources.astype("int32"),
        "decoder_token_ids": np.hstack([start, targets[:, :-1]]).astype("int32"),
    }
    loss = keras_attn.training.LabelSmoothedCrossEntropy(label_smoothing=0.0)
    model.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=True)
    model.fit(inputs, targets, epochs=150, verbose=0)
    temperature = model.encoder.blocks[0].self_attention.temperature
    assert np.abs(np.asarray(temperature) - 1.0).min() > 1e-3  # trained

    for beams in (1, 3):  # cached, and shared by beams: the hook is one that knows no positions
        decoding = keras_attn.decoding.BeamSearch(num_beams=beams)
        translator = keras_attn.Translator(model, tokenizer, decoding=decoding)
        assert translator.translate(words) == [word[::-1] for word in words]
    assert model.decoder.can_share_caches

    export_saved_model(translator, tmp_path / "words", verification_texts=words)
    with running_server(tmp_path) as server:
        body = {"instances": words}
        status, answer = server.request("/v1/models/words:predict", body)
    assert status == 200
    texts = [one if isinstance(one, str) else one["translation"] for one in answer["predictions"]]
    assert texts == [word[::-1] for word in words]
