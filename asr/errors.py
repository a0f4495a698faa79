"""Errors that a person can act on."""


class UserError(Exception):
    """A mistake in input, settings or data that the user can mend.

    The message says what was found, where (file, line, utterance id) and what to do. The command line
    prints it without a traceback and exits with code 2.
    """
