"""Packaging of keras_attn: what it needs, what it offers, and the `keras-attn` command."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
README = ROOT / "README.md"
# version.py is run on its own: importing the package here would need what is about to be installed.
VERSION = runpy.run_path(str(ROOT / "keras_attn" / "version.py"))["__version__"]

# TensorFlow, its text ops and its serving protocol are built for one another, minor version by
# minor version; the layers and the train step rely on Keras as it is in one minor version.
REQUIREMENTS = [
    "tensorflow>=2.21,<2.22",
    "keras>=3.15,<3.16",
    "tensorflow-text>=2.21,<2.22",
    "tensorflow-datasets>=4.9.9,<5",
    "tensorflow-serving-api>=2.21,<2.22",  # the protocol buffers of a server's requests
    "grpcio>=1.76,<2",
    "h5py>=3.11",
    "httpx>=0.28,<0.29",  # the client of a server
    "importlib_resources>=6",  # tensorflow-datasets imports it without saying so
    "numpy>=1.26",
    "prometheus-client>=0.22,<1",  # metrics, of servers and of the monitor
    "rapidfuzz>=3.9,<4",
    "rich>=14,<16",
    "sacrebleu>=2.6,<3",
    "sentencex>=1.0,<2",
    "sentencepiece>=0.2.1,<0.3",
    "tomli-w>=1.1,<2",
    "wrapt>=1.16,<3",
]

BEAM = ["apache-beam>=2.77,<3"]
CTRANSLATE2 = ["ctranslate2>=4.6,<5"]
JAPANESE = ["sacrebleu[ja]>=2.6,<3"]  # MeCab, which BLEU's tokenizer ja-mecab calls
KOREAN = ["sacrebleu[ko]>=2.6,<3"]
LITERT = ["ai-edge-litert>=2.1,<3"]  # the engine without TensorFlow
MOSES = ["sacremoses>=0.1,<0.3"]  # the tokenizer of the BLEU that papers report
PLOTS = ["matplotlib>=3.10,<4"]
SERVING = [
    "grpcio-health-checking>=1.76,<2",
    "starlette>=1.0,<2",
    "uvicorn>=0.35,<1",
]
TENSORBOARD = ["tensorboard>=2.20,<3"]  # TensorFlow no longer brings it
# The formatter's style changes with minor versions, so ruff is held to one.
DEVELOPMENT = [
    "filelock>=3.16",  # what the workers of a test run make once
    "hypothesis>=6.100,<7",
    "import-linter>=2.16,<3",
    "mypy>=2.4,<3",
    "playwright>=1.50,<2",  # the tests of the page, with the system's Chromium
    "pytest>=9,<10",
    "pytest-xdist>=3.8,<4",
    "pyyaml>=6,<7",  # the manifests in examples/distributed
    "river>=0.23,<1",  # what the tests of drift compare with, beside SciPy
    "ruff>=0.17.6,<0.18",
    "scipy>=1.13,<2",
]

setup(
    name="keras-attn",
    version=VERSION,
    description='The Transformer of "Attention Is All You Need", as Keras 3 layers and as a whole: '
    "train, evaluate, export, serve",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    keywords="transformer attention machine-translation tensorflow keras",
    packages=find_packages(include=["keras_attn", "keras_attn.*"]),
    package_data={
        "": ["py.typed", "*.toml", "*.txt"],
        "keras_attn": ["recipes/*.toml"],
        "keras_attn.serving": ["operations/*.txt"],
        "keras_attn.serving.server": ["page/*"],
        "keras_attn.pretrained": ["*/*", "*/*/*", "*/*/*/*"],
    },
    include_package_data=False,
    zip_safe=False,
    python_requires=">=3.11",  # as Keras 3.15
    install_requires=REQUIREMENTS,
    extras_require={
        "beam": BEAM,
        "ctranslate2": CTRANSLATE2,
        "japanese": JAPANESE,
        "korean": KOREAN,
        "litert": LITERT,
        "moses": MOSES,
        "plots": PLOTS,
        "serving": SERVING,
        "tensorboard": TENSORBOARD,
        "dev": DEVELOPMENT
        + BEAM
        + CTRANSLATE2
        + JAPANESE
        + KOREAN
        + LITERT
        + MOSES
        + PLOTS
        + SERVING,
    },
    entry_points={"console_scripts": ["keras-attn = keras_attn.cli.main:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
