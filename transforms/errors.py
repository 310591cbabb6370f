"""The one exception type whose message is meant for the user as it stands."""


class AnagramError(Exception):
    """Something the user can mend; the message is one line that names the input and the cause."""
