"""What happens between training steps: counts, limits, scores, checkpoints, display."""

from keras_attn.training.callbacks.checkpoint_writer import CheckpointWriter
from keras_attn.training.callbacks.history_writer import HistoryWriter, read_history
from keras_attn.training.callbacks.progress_display import ProgressDisplay
from keras_attn.training.callbacks.sample_translations import SampleTranslations
from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.step_limit import StepLimit
from keras_attn.training.callbacks.stop_on_non_finite_loss import StopOnNonFiniteLoss
from keras_attn.training.callbacks.throughput import Throughput
from keras_attn.training.callbacks.time_limit import TimeLimit
from keras_attn.training.callbacks.validation_bleu import ValidationBleu

__all__ = [
    "CheckpointWriter",
    "HistoryWriter",
    "ProgressDisplay",
    "SampleTranslations",
    "StepCounter",
    "StepLimit",
    "StopOnNonFiniteLoss",
    "Throughput",
    "TimeLimit",
    "ValidationBleu",
    "read_history",
]
