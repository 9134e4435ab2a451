"""The Transformer of "Attention Is All You Need" (Vaswani et al., 2017) for TensorFlow and Keras 3.

Attributes load on first use, so that `import keras_attn` and `keras-attn --help` do not wait for
TensorFlow.

Example:
>>> import keras_attn
>>> "transformer_base" in keras_attn.list_presets()
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from keras_attn.system.compilation_cache import use_compilation_cache
from keras_attn.system.did_you_mean import did_you_mean
from keras_attn.system.matrix_products import use_eigen_products
from keras_attn.system.registered_classes import register_classes
from keras_attn.version import __version__

if TYPE_CHECKING:  # for editors and type checkers only; a test keeps this block equal to the table
    from keras_attn import bulk as bulk
    from keras_attn import data as data
    from keras_attn import decoding as decoding
    from keras_attn import edge as edge
    from keras_attn import evaluation as evaluation
    from keras_attn import interop as interop
    from keras_attn import layers as layers
    from keras_attn import lines as lines
    from keras_attn import models as models
    from keras_attn import ops as ops
    from keras_attn import pretrained as pretrained
    from keras_attn import serving as serving
    from keras_attn import training as training
    from keras_attn import translator as translator
    from keras_attn import visualization as visualization
    from keras_attn.models import create_model as create_model
    from keras_attn.models import list_presets as list_presets
    from keras_attn.translator import Translation as Translation
    from keras_attn.translator import Translator as Translator

use_eigen_products()  # first: the cache directory depends on XLA's flags
use_compilation_cache()
register_classes()

# Public name -> the module it is an attribute of; None: the name is a subpackage.
_PUBLIC_NAMES: dict[str, str | None] = {
    "Translation": "keras_attn.translator",
    "Translator": "keras_attn.translator",
    "bulk": None,
    "create_model": "keras_attn.models",
    "data": None,
    "decoding": None,
    "edge": None,
    "evaluation": None,
    "interop": None,
    "layers": None,
    "lines": None,
    "list_presets": "keras_attn.models",
    "models": None,
    "ops": None,
    "pretrained": None,
    "serving": None,
    "training": None,
    "translator": None,
    "visualization": None,
}

__all__ = ["__version__", *_PUBLIC_NAMES]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first asked for (PEP 562)."""
    if name not in _PUBLIC_NAMES:
        hint = did_you_mean(name, _PUBLIC_NAMES, limit=3)
        raise AttributeError(f"module `keras_attn` has no attribute `{name}`.{hint}")
    home = _PUBLIC_NAMES[name]
    if home is None:
        return importlib.import_module(f"keras_attn.{name}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    """Lists the public names, loaded or not, and what the module already holds."""
    return sorted({*globals(), *__all__})
