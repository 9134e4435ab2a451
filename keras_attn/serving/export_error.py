"""What `export_saved_model` raises when nothing was exported."""

from keras_attn.serving.verification_report import VerificationReport


class ExportError(ValueError):
    """The translator could not be exported; no version was published and no file was left.

    Args:
        message: str. Why, and what to do.
        report: `VerificationReport` of the SavedModel that was written and refused, or None if
            none was written.
    """

    def __init__(self, message: str, report: VerificationReport | None = None) -> None:
        super().__init__(message)
        self.report = report
