"""The one kind of error that is the user's to mend."""


class UserError(Exception):
    """A user's mistake, told in one sentence: what was wrong, where, and what would be right."""
