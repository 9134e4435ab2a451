"""Training: recipes, schedule, loss, metrics, callbacks, checkpoints, `train` (Section 5)."""

from keras_attn.training.average_checkpoints import average_checkpoints
from keras_attn.training.checkpoint_file import CheckpointError
from keras_attn.training.finish_run import rewrite_translator
from keras_attn.training.guarded_adam import GuardedAdam
from keras_attn.training.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.non_finite_loss_error import NonFiniteLossError
from keras_attn.training.perplexity import Perplexity
from keras_attn.training.recipe import Recipe
from keras_attn.training.recipe_info import RecipeInfo, list_recipes
from keras_attn.training.strategies import get_strategy
from keras_attn.training.token_accuracy import TokenAccuracy
from keras_attn.training.trainer import train
from keras_attn.training.training_result import TrainingResult
from keras_attn.training.training_step import TrainingStep
from keras_attn.training.transformer_schedule import TransformerSchedule
from keras_attn.training.workers import WorkerLostError, WorkerMismatchError

__all__ = [
    "CheckpointError",
    "GuardedAdam",
    "LabelSmoothedCrossEntropy",
    "NonFiniteLossError",
    "Perplexity",
    "Recipe",
    "RecipeInfo",
    "TokenAccuracy",
    "TrainingResult",
    "TrainingStep",
    "TransformerSchedule",
    "WorkerLostError",
    "WorkerMismatchError",
    "average_checkpoints",
    "get_strategy",
    "list_recipes",
    "rewrite_translator",
    "train",
]
