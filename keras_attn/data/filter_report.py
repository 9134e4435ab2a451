"""How many pairs of a corpus were kept for training, and why the others were left out."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class FilterReport:
    """Counts of the pairs that were read, kept and left out; `str()` of it is one readable line.

    A pair is counted once, under the first reason that applies, in the order of the fields. So
    `pairs_read` is the sum of `kept` and the four reasons.

    Args:
        pairs_read: int. All pairs of the corpus.
        kept: int. The pairs that are trained on.
        empty_source: int. Left out because the source has no text.
        empty_target: int. Left out because the target has no text.
        source_too_long: int. Left out because the source has over `max_source_tokens` tokens.
        target_too_long: int. Left out because the target has over `max_target_tokens` tokens.
        max_source_tokens: int. The limit in tokens, not counting the end token.
        max_target_tokens: int. The limit in tokens, not counting the end token.

    Example:

    >>> report = FilterReport(pairs_read=1200, kept=1190, empty_source=1, target_too_long=9,
    ...                       max_target_tokens=64)
    >>> print(report)
    1,200 pairs read, 1,190 kept (99.17%); left out: 1 empty source, 9 target over 64 tokens
    """

    pairs_read: int
    kept: int
    empty_source: int = 0
    empty_target: int = 0
    source_too_long: int = 0
    target_too_long: int = 0
    max_source_tokens: int = 0
    max_target_tokens: int = 0

    @property
    def left_out(self) -> int:
        """How many pairs were left out, for any reason."""
        return self.pairs_read - self.kept

    def __str__(self) -> str:
        """One line with numbers and percentages."""
        reasons = [
            (self.empty_source, "empty source"),
            (self.empty_target, "empty target"),
            (self.source_too_long, f"source over {self.max_source_tokens} tokens"),
            (self.target_too_long, f"target over {self.max_target_tokens} tokens"),
        ]
        parts = [f"{count:,} {reason}" for count, reason in reasons if count]
        share = 100.0 * self.kept / self.pairs_read if self.pairs_read else 0.0
        # Rounding must not turn "nearly all" into 100%, or "nearly none" into 0%.
        if self.left_out:
            share = min(share, 99.99)
        if self.kept:
            share = max(share, 0.01)
        line = f"{self.pairs_read:,} pairs read, {self.kept:,} kept ({share:.2f}%)"
        return f"{line}; left out: {', '.join(parts)}" if parts else line
