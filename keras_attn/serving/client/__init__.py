"""A client of TensorFlow Serving and of the development server, over REST or gRPC."""

from keras_attn.serving.client.async_serving_client import AsyncServingClient
from keras_attn.serving.client.retry_policy import RetryPolicy
from keras_attn.serving.client.serving_client import ServingClient
from keras_attn.serving.client.serving_error import ServingError

__all__ = ["AsyncServingClient", "RetryPolicy", "ServingClient", "ServingError"]
