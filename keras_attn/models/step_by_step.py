"""How a model decodes step by step: caches of hypotheses, and a step of its decoder."""

from keras import ops

from keras_attn.layers.attention.attention_cache import BlockStep, DecodingStep, SelfCache
from keras_attn.models.causal_decoder import CausalDecoder
from keras_attn.models.hypothesis_caches import MovedCaches, SharedCaches, StillCaches


class StepByStep:
    """The part of a model that decodes with caches; shared by models with and without an encoder.

    The state is that of `Seq2SeqModel`. Its "rows", and perhaps "carried", hold the caches in one
    of the ways of `hypothesis_caches`.

    Attributes:
        decoder: `CausalDecoder`, such as a `Decoder`.
    """

    decoder: CausalDecoder

    def _start_state(self, token_ids, max_length, num_beams, source):
        """The state before the first step: empty caches of `max_length` positions.

        Args:
            token_ids: int, (B, S). What `start` was given; only the number of rows matters.
            max_length: int. Number of positions to make room for.
            num_beams: int or None. Number of hypotheses of a sentence, W, if known.
            source: nest of tensors of B rows that never change.
        """
        batch_size, known_rows = ops.shape(token_ids)[0], token_ids.shape[0]
        num_rows = None if known_rows is None else known_rows * (num_beams or 1)
        return {
            "source": source,
            **self._start_caches(batch_size, max_length, num_beams),
            "constants": {
                "kernels": self.decoder.fuse_projections(),
                "output_kernel": self.decoder.output_kernel(num_rows),
            },
            "position": ops.convert_to_tensor(0, dtype="int32"),
        }

    def _start_caches(self, batch_size, max_length, num_beams):
        """Empty caches, as `MovedCaches`, `StillCaches` or `SharedCaches` keep them."""
        can_share = num_beams is not None and num_beams > 1 and self.decoder.can_share_caches
        shared_by = num_beams if can_share else None
        caches = self.decoder.empty_caches(batch_size, max_length, shared_by)
        blocks = [cache.tensors for cache in caches]
        if num_beams == 1:
            return StillCaches().close(blocks)
        if not can_share:
            return MovedCaches(blocks).close(blocks)
        history = ops.full((batch_size, max_length), -1, dtype="int32")
        return SharedCaches(history).close(blocks)

    def _advance(self, token_ids, state, **sources):
        """Decodes one token of every hypothesis, (R, 1): logits, (R, V), and the state after it."""
        rows, caches = state["rows"].open(state)
        logits, blocks = self._decode(token_ids, 1, caches, state, **sources)
        after = {**rows.close(blocks), "position": state["position"] + 1}
        return logits[:, 0], {**state, **after}

    def _decode(self, token_ids, num_tokens, caches, state, **sources):
        """Calls the decoder with new tokens, (R, T): logits, (R, T, V), and caches after them."""
        step = self._decoding_step(caches, state, num_tokens)
        logits, new_caches = self.decoder(token_ids, step=step, training=False, **sources)
        return logits, [cache.tensors for cache in new_caches]

    def _decoding_step(self, caches, state, num_tokens):
        """The state as the decoder takes it."""
        position, constants = state["position"], state["constants"]
        mask = self._mask_of_step(caches, position, num_tokens)
        blocks = [
            BlockStep(
                SelfCache(tensors, position, caches.beam_mask, self_kernels, mask),
                cross_cache,
                caches.num_beams,
            )
            for tensors, (self_kernels, *_), cross_cache in zip(
                caches.blocks, constants["kernels"], self._cross_caches(state), strict=True
            )
        ]
        return DecodingStep(position, blocks, constants["output_kernel"])

    def _cross_caches(self, state):
        """A `CrossCache` per block, if there is an encoder."""
        return [None] * len(self.decoder.blocks)

    def _mask_of_step(self, caches, position, num_tokens):
        """The mask that all blocks share; `()` if an attention layer does not take it."""
        # Such a layer may cache something other than keys and values, and does not know the mask.
        attentions = [block.self_attention for block in self.decoder.blocks]
        if not all(getattr(one, "takes_step_mask", False) for one in attentions):
            return ()
        return SelfCache(caches.blocks[0], position, caches.beam_mask).mask_of_step(num_tokens)
