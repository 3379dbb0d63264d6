"""Ends with a reason where a secret is missing, short, or one that examples and defaults are made of."""

import os
import sys
from urllib.parse import urlsplit

MIN_LENGTH = 12
KNOWN = ("secret", "changeme", "change-me", "password", "minio", "example", "regraft-on-kind")


def trouble(name: str, secret: str | None) -> str | None:
    """What is wrong with a secret, None where nothing is."""
    if not secret:
        return f"{name} is not set"
    if len(secret) < MIN_LENGTH:
        return f"{name} has fewer than {MIN_LENGTH} characters"
    if any(known in secret.lower() for known in KNOWN):
        return f"{name} is a default that everybody knows"
    return None


# What a cloud puts into pods that it gives access to itself: there are no keys then.
IDENTITY = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")

secrets = {}
if "AWS_SECRET_ACCESS_KEY" in os.environ or not any(name in os.environ for name in IDENTITY):
    secrets["AWS_SECRET_ACCESS_KEY"] = os.environ.get("AWS_SECRET_ACCESS_KEY")
if "REGRAFT_TRIGGER_TOKEN" in os.environ:
    secrets["REGRAFT_TRIGGER_TOKEN"] = os.environ["REGRAFT_TRIGGER_TOKEN"]
if "MLFLOW_BACKEND_STORE_URI" in os.environ:
    secrets["the password in MLFLOW_BACKEND_STORE_URI"] = urlsplit(os.environ["MLFLOW_BACKEND_STORE_URI"]).password

sys.exit("\n".join(filter(None, (trouble(name, secret) for name, secret in secrets.items()))) or 0)
