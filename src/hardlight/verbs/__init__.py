"""The verbs of the command line: one recipe each, ``run(cfg) -> rows``."""
