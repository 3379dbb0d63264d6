"""The version of Regraft, said here alone: every package, image and bundle takes it from here."""

__version__ = "0.2.0"
