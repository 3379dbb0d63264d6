"""Addresses as they may be shown: without user, password and the query of one that carries a secret.

The address that a run downloads from may open a door by itself: a presigned link, a token in the query. Only the step
that reads it knows the whole of it; wherever an address is shown, logged, tagged or stored, it has gone through here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

CUT = "…"
"""Stands where something was cut."""

SECRET_PREFIXES = (
    "xamz",
    "xgoog",
    "xoss",
    "xobs",
    "xcos",
    "xtos",
    "xbce",
    "xms",
    "awsaccesskey",
    "googleaccess",
    "ossaccesskey",
)
"""What names of the parameters of signed addresses begin with, without case and signs."""

SECRET_ENDINGS = (
    *(
        "passphrase",
        "passcode",
        "pwd",
        "key",
        "keyid",
        "keypairid",
        "sig",
        "hmac",
        "auth",
        "authorization",
        "bearer",
        "jwt",
    ),
    *("session", "sessionid", "sessid", "ticket", "policy", "cookie"),
)
"""What names of parameters that carry a secret end with, without case and signs."""

SECRET_NAMES = frozenset(
    {
        *("pass", "pw", "user", "username", "code", "nonce", "sign", "sid", "otp", "sas", "hash", "skoid", "sktid"),
        *("login", "email", "pin", "mac", "digest", "md5", "assertion", "samlresponse", "verifier", "authcode", "tok"),
        *("hdnea", "hdnts", "hdntl", "gda", "csrf", "xsrf", "qak", "connectsid", "tk"),
    }
)
"""Names of parameters that carry a secret where they are the whole name."""

SECRET_PARTS = ("token", "secret", "passw", "signature", "credential")
"""What stands in names of parameters that carry a secret, wherever."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://(?:[^\s\"'<>`|\\^\x00-\x1f]|\\u[0-9a-f]{4})+")
"""Also with ``\\uXXXX`` in it, as JSON writes what is no ASCII."""

_PAIR = re.compile(r"(?<=[?&;])([A-Za-z0-9_.~%\[\]-]{1,80})=([^\s&;\"'<>\\]+)")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*")
_UPLOAD = re.compile(r"upload:([0-9a-f]{64})(?:/(.*))?")
_SIGNS = re.compile(r"[^a-z0-9]")
_SHORTEST_SECRET = 6
"""Values of fewer characters are not looked for in what a server says: they are words like any other."""


def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name carries a secret: ``X-Amz-Signature``, ``sig``, ``access_token``, ``key``."""
    plain = _SIGNS.sub("", unquote(name).lower())
    is_like_one = plain.startswith(SECRET_PREFIXES) or plain.endswith(SECRET_ENDINGS)
    return is_like_one or plain in SECRET_NAMES or any(part in plain for part in SECRET_PARTS)


def carries_secret(address: str) -> bool:
    """Whether an address holds what must not be shown."""
    return redacted(address) != address


def redacted(address: str) -> str:
    """Return an address as it may be shown.

    User and password go; of a query (or a fragment) in which one parameter carries a secret, ``?…`` remains. What can
    be no address comes back without what might be a user, a password or a query.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return re.sub(r"//[^/?#]*@", "//", address).partition("?")[0] + ("?" + CUT if "?" in address else "")
    query, fragment = _shown(parts.query), _shown(parts.fragment)
    host = parts.netloc.rpartition("@")[2]
    if (host, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return address
    # What has lost its host may be read in another way now.
    return redacted(SplitResult(parts.scheme, host, parts.path, query, fragment).geturl())


def redacted_text(text: str) -> str:
    """Return a text with every address in it as it may be shown."""
    if "://" in text:
        text = _ADDRESS.sub(lambda match: redacted(match[0]), text)
    if "=" in text:
        text = _PAIR.sub(lambda match: f"{match[1]}={CUT}" if is_secret_name(match[1]) else match[0], text)
    return _JWT.sub(CUT, text) if "eyJ" in text else text


def without_secrets_of(addresses: Iterable[str], text: str) -> str:
    """Return a text, such as a server's words, without what is secret in the given addresses, however it is written."""
    for secret in sorted(_secrets(addresses), key=len, reverse=True):
        text = text.replace(secret, CUT)
    return redacted_text(text)


def _shown(query: str) -> str:
    return CUT if _has_secret(query) else query


def _has_secret(query: str) -> bool:
    """Whether a query carries a secret, also in an address that stands in it, encoded once or twice."""
    for _ in range(3):
        pairs = parse_qsl(query.replace(";", "&"), keep_blank_values=False)
        if any(is_secret_name(re.split(r"[?&]", name)[-1]) for name, _ in pairs):
            return True
        if _JWT.search(query) or re.search(r"//[^/?#@\s]*@", query):
            return True
        inner = re.findall(r"[?&;#]([^=?&;#]+)=[^&]", query)
        if any(is_secret_name(name) for name in inner):
            return True
        decoded = unquote(query)
        if decoded == query:
            return False
        query = decoded
    return False


def _secrets(addresses: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for address in addresses:
        if not carries_secret(address):
            continue
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        user, _, _ = parts.netloc.rpartition("@")
        raw = [part.partition("=")[2] for part in re.split("[&;]", parts.query)]
        named = [value for name, value in parse_qsl(parts.query) if is_secret_name(name) or "://" in value]
        texts = [parts.query, *user.split(":"), *named, *(value for value in raw if unquote(value) in named)]
        found |= {text for text in texts if len(text) >= _SHORTEST_SECRET}
        found |= _secrets(value for value in named if "://" in value)
    return found


def upload_address(sha256: str, name: str = "") -> str:
    """Return what stands for the address of a dataset that was sent itself; its name is for people alone."""
    return f"upload:{sha256}/{quote(name, safe='')}" if name else f"upload:{sha256}"


def uploaded_sha256(address: str) -> str | None:
    """Return the SHA-256 of an upload, None where the address is none of an upload."""
    found = _UPLOAD.fullmatch(address)
    return found[1] if found else None


def uploaded_name(address: str) -> str | None:
    """Return the name of the file that was uploaded, empty where it had none; None where the address is no upload's."""
    found = _UPLOAD.fullmatch(address)
    return unquote(found[2] or "") if found else None


def s3_parts(address: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://BUCKET/KEY``; the key is taken as it is, as S3's own tools take it."""
    scheme, _, rest = address.partition("://")
    bucket, _, key = rest.partition("/")
    return (bucket, key) if scheme.lower() == "s3" else ("", "")


def in_buckets(bucket: str, key: str, patterns: Iterable[str]) -> bool:
    """Whether an object is in a listed bucket, or in a listed ``BUCKET/FOLDER``."""
    whole = f"{bucket}/{key}"
    return any(
        fnmatchcase(whole, pattern if pattern.endswith("*") else f"{pattern.rstrip('/')}/*")
        if "/" in pattern
        else fnmatchcase(bucket, pattern)
        for pattern in patterns
    )


def was_cut(address: str) -> bool:
    """Whether an address is one of which something was cut, and so leads nowhere."""
    return address.endswith((f"?{CUT}", f"#{CUT}"))


def can_be_posted(address: str) -> bool:
    """Whether an address as it is shown can be asked for again: nothing was cut, and it is no upload."""
    return address.partition(":")[0].lower() in ("http", "https", "s3") and not was_cut(address)


def needs_authorities(address: str) -> bool:
    """Whether whoever answers at an address has to prove who it is: for all but what plainly is plain HTTP.

    A client that never asks them is spared reading the authorities of TLS, 30 ms of CPU.
    """
    return not address.startswith("http://")
