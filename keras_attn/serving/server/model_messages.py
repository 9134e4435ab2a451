"""The messages of both interfaces about a model: its versions' states and signatures."""

from __future__ import annotations

from google.protobuf import any_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from keras_attn.serving.server.servable import Servable
from keras_attn.serving.status_code import StatusCode


def status_of(servables: list[Servable]) -> get_model_status_pb2.GetModelStatusResponse:
    """Writes the states of versions.

    Args:
        servables: list of `Servable`.

    Returns:
        GetModelStatusResponse.
    """
    response = get_model_status_pb2.GetModelStatusResponse()
    for servable in servables:
        one = response.model_version_status.add(version=servable.version, state=servable.state)
        if servable.error is not None:
            one.status.error_code = servable.error.code
            one.status.error_message = str(servable.error)
        else:
            one.status.error_code = StatusCode.OK
    return response


def metadata_of(servable: Servable) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Writes the signatures of a version.

    Args:
        servable: `Servable`.

    Returns:
        GetModelMetadataResponse.
    """
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(definition)
    packed = any_pb2.Any()
    packed.Pack(signatures)
    response.metadata["signature_def"].CopyFrom(packed)
    return response
