"""A development server with TensorFlow Serving's protocols."""

try:
    from keras_attn.serving.server.batcher import BatchingOptions
    from keras_attn.serving.server.development_server import DevelopmentServer
    from keras_attn.serving.server.models_config import config_of_directory, read_models_config
    from keras_attn.serving.server.request_limits import RequestLimits
    from keras_attn.serving.server.server_options import ServerOptions
except ImportError as error:
    raise ImportError(
        f"The development server needs {error.name}; install it with: "
        'pip install "keras_attn[serving]"'
    ) from error

__all__ = [
    "BatchingOptions",
    "DevelopmentServer",
    "RequestLimits",
    "ServerOptions",
    "config_of_directory",
    "read_models_config",
]
