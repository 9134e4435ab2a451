"""What a command raises when its input was good and the work still failed."""


class CommandFailure(Exception):
    """The work failed, as a verification does: one line for the user, exit status 1."""
