"""What the network does on the way to a dataset, as errors with codes of ours."""

from __future__ import annotations

import re
import ssl
from collections.abc import Collection

import httpcore

from regraft_core.addresses import without_secrets_of
from regraft_core.codes import Code
from regraft_core.errors import SourceError
from regraft_pipeline.sources.source import PassingError
from regraft_pipeline.sources.words import in_one_line

EXPIRED, NOT_YET_VALID, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64
"""Why OpenSSL believes no certificate (X509_V_ERR_...)."""

CERTIFICATES = {
    EXPIRED: "whoever runs the server must renew it",
    NOT_YET_VALID: "whoever runs the server must replace it, or the clock of this machine is wrong",
    OTHER_NAME: "post the address with a name that the certificate is for",
    OTHER_ADDRESS: "post the address with a name that the certificate is for",
}
"""What to do about a certificate; about all others, that of an authority nobody knows here."""

UNKNOWN_AUTHORITY = "REGRAFT_CA_FILE names a file with the certificates of your own authorities"
_BYTES = re.compile(r"bytearray\((b(['\"]).*?\2)\)", re.DOTALL)


class NamingErrors:
    """Turns what the network does into errors with codes of ours."""

    def __init__(self, address: str, seen: Collection[str]) -> None:
        self._address = address
        self._seen = seen
        """Addresses whose secrets a server may say again."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._raise(error)

    def _raise(self, error: Exception) -> None:
        told = why(error, self._seen)
        match error:
            case httpcore.TimeoutException():
                raise PassingError(f"{self._address} did not answer in time", code=Code.SOURCE_TIMEOUT) from error
            case httpcore.ProxyError():
                raise PassingError(
                    f"the proxy (REGRAFT_DATA_PROXY) does not let {self._address} through: {told}",
                    code=Code.SOURCE_UNREACHABLE,
                ) from error
            case httpcore.LocalProtocolError() | UnicodeError():
                raise SourceError(f"{self._address} cannot be asked: {told}", code=Code.SOURCE_URL_INVALID) from error
            case httpcore.RemoteProtocolError():
                raise PassingError(
                    f"{self._address} does not keep to HTTP: {told}", code=Code.SOURCE_HTTP_ERROR
                ) from error
            case httpcore.ConnectError() if untrusted := _of_tls(error, ssl.SSLCertVerificationError):
                advice = CERTIFICATES.get(untrusted.verify_code, UNKNOWN_AUTHORITY)
                told = untrusted.verify_message.rstrip(".")
                raise SourceError(
                    f"the certificate of {self._address} is not trusted: {told}; {advice}", code=Code.SOURCE_UNTRUSTED
                ) from error
            case httpcore.NetworkError() | httpcore.ProtocolError() | httpcore.UnsupportedProtocol():
                plain = _of_tls(error, ssl.SSLError)
                if plain and plain.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
                    told = "its port does not speak TLS; http:// may be meant"
                raise PassingError(
                    f"{self._address} cannot be reached: {told}", code=Code.SOURCE_UNREACHABLE
                ) from error


def why(error: Exception, seen: Collection[str]) -> str:
    """Return what an error says, which may quote the server: in one short line, without secrets of these addresses."""
    return in_one_line(without_secrets_of(seen, _BYTES.sub(r"\1", str(error))))


def _of_tls[E: ssl.SSLError](error: BaseException | None, kind: type[E]) -> E | None:
    """Return the error of TLS that an error comes of, None where it comes of none."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
