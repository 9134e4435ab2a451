"""Callbacks between training steps: counts, limits, scores, checkpoints, display."""

from keras_attn.training.callbacks.averaged_weights import AveragedWeights
from keras_attn.training.callbacks.checkpoint_writer import CheckpointWriter
from keras_attn.training.callbacks.early_stopping import EarlyStopping
from keras_attn.training.callbacks.history_writer import HistoryWriter
from keras_attn.training.callbacks.pace import Pace
from keras_attn.training.callbacks.progress_display import ProgressDisplay
from keras_attn.training.callbacks.restored_metrics import RestoredMetrics
from keras_attn.training.callbacks.run_planner import RunPlanner
from keras_attn.training.callbacks.sample_translations import SampleTranslations
from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.step_limit import StepLimit
from keras_attn.training.callbacks.stop_on_non_finite_loss import StopOnNonFiniteLoss
from keras_attn.training.callbacks.stop_on_signal import StopOnSignal
from keras_attn.training.callbacks.throughput import Throughput
from keras_attn.training.callbacks.time_limit import TimeLimit
from keras_attn.training.callbacks.validation_scores import ValidationScores

__all__ = [
    "AveragedWeights",
    "CheckpointWriter",
    "EarlyStopping",
    "HistoryWriter",
    "Pace",
    "ProgressDisplay",
    "RestoredMetrics",
    "RunPlanner",
    "SampleTranslations",
    "StepCounter",
    "StepLimit",
    "StopOnNonFiniteLoss",
    "StopOnSignal",
    "Throughput",
    "TimeLimit",
    "ValidationScores",
]
