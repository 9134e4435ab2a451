"""The guarded import of Apache Beam, for the other modules of this package."""

try:
    import apache_beam as beam
    from apache_beam.io.filesystem import BeamIOError, CompressionTypes
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.metrics import Metrics
    from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.runner import PipelineState
except ImportError as error:
    raise ImportError(
        'Bulk translation needs Apache Beam; install it with: pip install "keras_attn[beam]"'
    ) from error

__all__ = [
    "BeamIOError",
    "CompressionTypes",
    "FileSystems",
    "KeyedModelHandler",
    "Metrics",
    "ModelHandler",
    "PipelineOptions",
    "PipelineState",
    "RunInference",
    "StandardOptions",
    "beam",
]
