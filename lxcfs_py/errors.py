"""What goes wrong before or beside the serving of files, in one line for a person."""


class CannotRun(Exception):
    """The command cannot do its work: one line that says what, where, and what to do."""
