"""hardlight hardens image classifiers against adversarial examples and measures how hard they became."""

__version__ = "0.1.0"
