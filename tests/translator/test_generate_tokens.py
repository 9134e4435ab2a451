"""Prompts of any lengths, in any order."""

import numpy as np
import pytest

from keras_attn.decoding import BeamSearch, search
from keras_attn.models import TransformerLM
from keras_attn.translator import generate_tokens

PROMPTS = [[2, 5, 6], [2], [2, 9], [2, 7, 8], [2, 4]]


@pytest.fixture(scope="module", name="model")
def language_model():
    model = TransformerLM(13, hidden_dim=12, intermediate_dim=17, num_heads=3, num_layers=1)
    model.build()
    random = np.random.default_rng(5)
    model.set_weights([w + 0.4 * random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("decoding", ["greedy", BeamSearch(num_beams=3)])
def test_each_prompt_is_continued_as_if_it_were_alone(model, decoding):
    found = generate_tokens(model, PROMPTS, 5, decoding)
    assert len({tuple(one) for one in found}) > 1
    for prompt, continued in zip(PROMPTS, found, strict=True):
        state = model.start(np.array([prompt]), 5)
        alone = search(model.decode_step, state, decoding, 5).token_ids[0, 0].numpy().tolist()
        assert alone[: len(continued) + 1] == [*continued, 3]


def test_other_special_tokens_are_heeded(model):
    found = generate_tokens(model, PROMPTS, 6, start_token_id=4, end_token_id=5)
    produced = {token for one in found for token in one}
    assert produced and not produced & {0, 4, 5}


def test_prompts_that_cannot_be_continued_are_refused(model):
    with pytest.raises(ValueError, match="at least one token"):
        generate_tokens(model, [[2, 5], []], 4)
    with pytest.raises(ValueError, match="without padding"):
        generate_tokens(model, [[2, 0]], 4)
    assert generate_tokens(model, [], 4) == []
