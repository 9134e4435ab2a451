"""What a pipeline raises that was given good input and failed."""


class BulkError(Exception):
    """The engine gave up, or lines were lost on the way: no output file has appeared."""
