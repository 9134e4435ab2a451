"""Pictures of attention, position encodings, schedules and training runs (extra `plots`)."""

from keras_attn.visualization.attention_map import attention_figure, plot_attention
from keras_attn.visualization.learning_curve import history_figure, plot_history
from keras_attn.visualization.position_map import plot_positions, position_figure
from keras_attn.visualization.read_history import read_history
from keras_attn.visualization.schedule_curve import plot_schedule, schedule_figure

__all__ = [
    "attention_figure",
    "history_figure",
    "plot_attention",
    "plot_history",
    "plot_positions",
    "plot_schedule",
    "position_figure",
    "read_history",
    "schedule_figure",
]
