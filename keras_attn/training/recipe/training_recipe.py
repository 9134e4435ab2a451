"""The section `[training]` of a recipe: how the model is trained."""

import dataclasses
from typing import ClassVar, Self

from keras_attn.data.training_pipeline import MAX_BUCKETS
from keras_attn.evaluation import BLEU_TOKENIZERS
from keras_attn.training.recipe.recipe_section import RecipeSection, described
from keras_attn.training.recipe.translator_location import absolute_location
from keras_attn.training.replicas.strategies import STRATEGY_NAMES
from keras_attn.training.update.planned_schedule import DECAYS, MIDDLES

# The SCORES need translations of the validation sentences.
SCORES = ("bleu", "chrf", "line_error_rate", "token_error_rate")
SELECTION_METRICS = ("perplexity", "loss", "token_accuracy", *SCORES)


@dataclasses.dataclass(frozen=True)
class TrainingRecipe(RecipeSection):
    """Batches, schedule, regularization, validation, checkpoints and limits (Section 5).

    At least one of `max_steps`, `max_epochs` and `max_minutes` must be set. Training ends at the
    first limit that is reached.

    Example:

    >>> TrainingRecipe(max_steps=100_000).warmup_steps
    4000
    """

    section_name: ClassVar[str] = "training"

    strategy: str = described("auto", "the tf.distribute strategy", choices=STRATEGY_NAMES)
    jit_compile: bool = described(True, "compile the training step with XLA")
    dtype_policy: str = described(
        "float32",
        "the Keras dtype policy",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    steps_per_execution: int = described(
        1, "training steps run in one call of the compiled function", minimum=1
    )
    global_batch_tokens: int = described(
        4096, "tokens per batch and side, padding included, over all devices", minimum=1
    )
    num_buckets: int = described(8, "the number of batch shapes", minimum=1, maximum=MAX_BUCKETS)
    accumulation_steps: int = described(
        1, "the number of parts in which each device computes its share of a batch", minimum=1
    )
    max_steps: int | None = described(None, "stop after this many updates", minimum=1)
    max_epochs: float | None = described(
        None, "stop after this many passes over the training pairs", minimum=0.001
    )
    max_minutes: float | None = described(
        None, "stop after this many minutes of this session, validation included", minimum=0.001
    )
    peak_learning_rate: float | None = described(
        None, "the highest learning rate; none: the paper's, from width and warm-up", minimum=1e-12
    )
    learning_rate_scale: float = described(
        1.0, "a factor on the paper's learning rate", minimum=1e-12
    )
    warmup_steps: int = described(4000, "updates over which the learning rate rises", minimum=1)
    schedule: str = described(
        "inverse_sqrt",
        "the learning rate after the warm-up: the paper's, or constant",
        choices=MIDDLES,
    )
    decay: str = described(
        "none", "how the learning rate falls to zero at the end of the run", choices=DECAYS
    )
    decay_share: float = described(
        0.25, "the share of the updates over which it falls", minimum=0.01, maximum=1
    )
    label_smoothing: float = described(
        0.1, "the share of the target probability spread over all tokens", minimum=0, maximum=0.999
    )
    r_drop_weight: float = described(
        0.0,
        "the weight of R-Drop (5.0 is usual): each batch goes through the model twice, "
        "with different dropout, and the two predictions should agree; this doubles the cost of an "
        "update; 0: one pass",
        minimum=0,
    )
    teacher: str | None = described(
        None,
        "the translator whose predictions the model also learns (knowledge distillation), such as "
        "an ensemble: its directory, a run, or the name of a shipped model; a new run takes its "
        "tokenizers; none: the labels alone",
    )
    teacher_weight: float = described(
        0.5,
        "with a teacher: the share of the training loss that compares with its predictions; the "
        "rest, and the whole validation loss, compare with the labels",
        minimum=0,
        maximum=1,
    )
    clip_norm: float | None = described(
        None, "the largest norm of the gradient; none: no limit", minimum=1e-12
    )
    ema_decay: float | None = described(
        None,
        "the share of the moving average of the weights that an update keeps; the averages are "
        "validated and become the translator; none: no averages",
        minimum=0,
        maximum=0.999999,
    )
    seed: int = described(0, "the seed of weights, dropout and the order of the data", minimum=0)
    validate_every_steps: int | None = described(
        None, "updates between two validations, which also save; none: an epoch", minimum=1
    )
    log_every_steps: int | None = described(
        20, "updates between two records of the training loss; none: validations only", minimum=1
    )
    bleu_sentences: int = described(
        0,
        "validation sentences translated at each validation, for BLEU, chrF and error rates; "
        "0: none",
        minimum=0,
    )
    bleu_search: str = described(
        "greedy",
        "the search for these translations: greedy (fast), or recipe (as in [decoding])",
        choices=("greedy", "recipe"),
    )
    bleu_tokenizer: str | None = described(
        None,
        "sacreBLEU's tokenizer for every BLEU of the run; left out: that of data.target_language "
        "(zh, ja-mecab, ko-mecab; char for th, lo, km, my, bo; 13a for all others); none is the "
        "tokenizer of that name, which splits at blanks only",
        choices=BLEU_TOKENIZERS,
    )
    sample_sentences: int = described(
        3, "validation sentences shown with their translations at each validation", minimum=0
    )
    selection_metric: str = described(
        "perplexity",
        "the validation metric that selects the best checkpoint",
        choices=SELECTION_METRICS,
    )
    early_stopping_patience: int | None = described(
        None, "stop after this many validations without a better selection metric", minimum=1
    )
    save_every_minutes: float | None = described(
        10.0, "also save after this many minutes without a checkpoint; none: never", minimum=0
    )
    keep_checkpoints: int = described(5, "last checkpoints to keep, besides the best", minimum=1)
    average_last: int = described(
        0, "use the mean of this many last checkpoints if it beats the best; 0: the best", minimum=0
    )
    tensorboard: bool = described(False, "write TensorBoard logs into the run (extra tensorboard)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_steps is None and self.max_epochs is None and self.max_minutes is None:
            raise ValueError(
                "`training` must have a limit. Received: none. Set `training.max_steps`, "
                "`training.max_epochs` or `training.max_minutes`"
            )
        if self.average_last > self.keep_checkpoints:
            raise ValueError(
                "`training.average_last` must be at most `training.keep_checkpoints`: only "
                "checkpoints that are kept can be averaged. Received: "
                f"average_last={self.average_last}, keep_checkpoints={self.keep_checkpoints}"
            )
        if self.average_last and self.ema_decay is not None:
            raise ValueError(
                "`training.average_last` must be 0 with `training.ema_decay`: both average the "
                f"weights. Received: average_last={self.average_last}, ema_decay={self.ema_decay}"
            )
        if self.selection_metric in SCORES and not self.bleu_sentences:
            raise ValueError(
                "`training.bleu_sentences` must be above 0 for training.selection_metric = "
                f"{self.selection_metric!r}. Received: bleu_sentences=0"
            )

    def with_absolute_paths(self) -> Self:
        """Returns the section with an absolute path, which works from any working directory."""
        return dataclasses.replace(self, teacher=absolute_location(self.teacher))

    @property
    def limits(self) -> str:
        """All that the end of the run follows from, in words, to be compared.

        Example:

        >>> TrainingRecipe(max_steps=9).limits
        'max_steps=9, max_epochs=None, max_minutes=None, decay=none, decay_share=0.25'
        """
        names = ("max_steps", "max_epochs", "max_minutes", "decay", "decay_share")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
