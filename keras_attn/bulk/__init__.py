"""Translation of large sets of files by engines that Apache Beam drives (extra `beam`)."""

from keras_attn.bulk.bulk_report import BulkError, BulkReport
from keras_attn.bulk.translate_files import translate_files
from keras_attn.bulk.translator_model_handler import TranslatorModelHandler

__all__ = ["BulkError", "BulkReport", "TranslatorModelHandler", "translate_files"]
