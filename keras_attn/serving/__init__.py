"""SavedModels for an unmodified TensorFlow Serving, their checks, and clients of a server."""

from keras_attn.serving.client import AsyncServingClient, RetryPolicy, ServingClient, ServingError
from keras_attn.serving.export_saved_model import ExportError, export_saved_model
from keras_attn.serving.server_config import (
    ServedModel,
    models_config,
    start_commands,
    write_server_config,
)
from keras_attn.serving.verification_report import VerificationCheck, VerificationReport
from keras_attn.serving.verify_saved_model import verify_saved_model

__all__ = [
    "AsyncServingClient",
    "ExportError",
    "RetryPolicy",
    "ServedModel",
    "ServingClient",
    "ServingError",
    "VerificationCheck",
    "VerificationReport",
    "export_saved_model",
    "models_config",
    "start_commands",
    "verify_saved_model",
    "write_server_config",
]
