"""Training: recipes, schedule, loss, metrics, callbacks, checkpoints, `train` (Section 5)."""

from keras_attn.training.callbacks.stop_on_non_finite_loss import NonFiniteLossError
from keras_attn.training.dry_run import DryRun, dry_run, hardware_line
from keras_attn.training.new_recipe import NewRecipe, new_recipe
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.recipe_info import RecipeInfo, list_recipes
from keras_attn.training.replicas.strategies import get_strategy
from keras_attn.training.replicas.workers import WorkerLostError, WorkerMismatchError
from keras_attn.training.run.average_checkpoints import average_checkpoints
from keras_attn.training.run.checkpoint_file import CheckpointError
from keras_attn.training.run.rewrite_translator import rewrite_translator
from keras_attn.training.trainer import TrainingResult, train
from keras_attn.training.update.guarded_adam import GuardedAdam
from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.update.perplexity import Perplexity
from keras_attn.training.update.planned_schedule import PlannedSchedule
from keras_attn.training.update.token_accuracy import TokenAccuracy
from keras_attn.training.update.training_step import TrainingStep
from keras_attn.training.update.transformer_schedule import TransformerSchedule

__all__ = [
    "CheckpointError",
    "DryRun",
    "GuardedAdam",
    "LabelSmoothedCrossEntropy",
    "NewRecipe",
    "NonFiniteLossError",
    "Perplexity",
    "PlannedSchedule",
    "Recipe",
    "RecipeInfo",
    "TokenAccuracy",
    "TrainingResult",
    "TrainingStep",
    "TransformerSchedule",
    "WorkerLostError",
    "WorkerMismatchError",
    "average_checkpoints",
    "dry_run",
    "get_strategy",
    "hardware_line",
    "list_recipes",
    "new_recipe",
    "rewrite_translator",
    "train",
]
