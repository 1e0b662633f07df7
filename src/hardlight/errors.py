"""The errors that the program tells in one sentence."""


class UserError(Exception):
    """A user's mistake, told in one sentence: what was wrong, where, and what would be right."""


class JobsFailed(Exception):  # noqa: N818
    """Some runs of a sweep failed; each was told when it happened."""
