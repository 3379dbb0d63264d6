"""The short way for small good requests. Everything works without it."""
