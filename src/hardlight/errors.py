"""The errors that the program tells in one sentence."""


class UserError(Exception):
    """A user's mistake, told in one sentence: what was wrong, where, and what would be right."""


class RunFailed(Exception):
    """A run that could not go on, by no mistake in what was asked: why, in one sentence, and what is left."""


class JobsFailed(Exception):
    """Some runs of a sweep failed; each was told when it happened."""
