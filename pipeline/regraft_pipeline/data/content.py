"""What the bytes of a file are: text in UTF-8, or something else that is told by its name."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_pipeline.data.reasons import reason, shorten

BLOCK_BYTES = 1 << 22
"""What is read at once, bytes."""

HEAD_BYTES = 1 << 16
"""What is looked at to tell a format, bytes."""

_SIGNATURES = {
    b"PK\x03\x04": "a ZIP or Excel file",
    b"PK\x05\x06": "an empty ZIP file",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"PARE": "an encrypted Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b"ARROW1": "a Feather file",
    b"%PDF-": "a PDF file",
    b"\x89PNG": "a PNG image",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xd8\xff": "a JPEG image",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip file",
    b"Rar!": "a RAR file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Excel file (.xls)",
    b"\x93NUMPY": "a file of numpy",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"SQLite format 3": "an SQLite database",
    b"$FL2": "a file of SPSS",
    b"$FL3": "a file of SPSS",
    b"<stata_dta>": "a file of Stata",
    b"HEADER RECORD*******": "a transport file of SAS",
    bytes(12) + b"\xc2\xea\x81\x60": "a file of SAS",
    b"RDX3\n": "a file of R",
    b"RDA3\n": "a file of R",
    b"X\n\0\0\0": "a file of R",
    b"MATLAB 5.0": "a file of MATLAB",
    b"{\\rtf": "a document (RTF)",
    b"\x1f\x9d": "a file packed with compress (.Z)",
    b"\x04\x22\x4d\x18": "an LZ4 file",
    b"\xff\x06\0\0sNaPpY": "a Snappy file",
}
_TAR_AT = 257
_UNICODE = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x01\x1e\x1f"))
"""What no text has: but for blanks, for terminals, and for what Hive and others put between columns."""

_MAX_CONTROL_SHARE = 0.05
_COMMENT_END = b"-->"
_TAG = re.compile(rb"<(?:!doctype\s+|[?/]?)([a-z][a-z0-9:.-]*)(?=[\s>/\[])", re.IGNORECASE)
_HTML = frozenset(
    b"html head body title meta link script style base noscript iframe div span p a b i h1 h2 h3 h4 h5 h6 br hr img "
    b"table ul ol li form center font pre nav header footer main section article".split()
)
_S3_ERROR = re.compile(rb"<Code>([^<]{1,200})</Code>\s{0,20}<Message>([^<]{1,500})</Message>")
_POINTERS = {
    re.compile(rb"version https://(git-lfs|hawser)\."): "Git LFS",
    re.compile(rb"/annex/objects/|(\.\./)*\.git/annex/"): "git-annex",
    re.compile(rb"(md5|etag|wdir|frozen|deps|outs):[^\n]{0,100}\n(.{0,200}\n){0,20}?\s*-?\s*(md5|etag|hash): "): "DVC",
}
_ARFF = re.compile(rb"(?:%[^\n]*+\n\s*+)*+@relation\s", re.IGNORECASE)
_JSON_START = re.compile(rb'[{\[]\s*(["{\[\]}]|-?\d|$)')


def not_text(path: Path) -> Reason | None:
    """Return why a file is no text in UTF-8, None where it is."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if not head.removeprefix(codecs.BOM_UTF8).strip() and not file.read(1):
            return reason(Code.EMPTY_FILE, "the file is empty", "a CSV with a header and rows")
        return other_format(head) or _first_bad_byte(path)


def has_more_lines(path: Path, limit: int) -> bool:
    """Whether a file has more lines than that, blank ones included. It is read no further than need be."""
    lines = returns = 0
    with path.open("rb") as file:
        while max(lines, returns) <= limit and (block := file.read(BLOCK_BYTES)):
            lines += block.count(b"\n")
            returns += block.count(b"\r")
    return max(lines, returns) > limit


def other_format(head: bytes) -> Reason | None:
    """Return what else a file is that begins so, None where it may be a CSV."""
    for signature, name in _SIGNATURES.items():
        if is_signed(head, signature):
            return _binary(name)
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return _binary("a tar archive")
    for mark, name in _UNICODE.items():
        if head.startswith(mark):
            return _other_unicode(name)
    if (unmarked := _unmarked_unicode(head)) is not None:
        return _other_unicode(unmarked)
    control = sum(head.count(byte) for byte in _CONTROL) / len(head)
    if control > _MAX_CONTROL_SHARE:
        return reason(
            Code.BINARY_FILE,
            f"the file is not text: {control:.0%} of its first bytes are control characters",
            "plain CSV text",
            figures={"control_share": round(control, 4), "limit": _MAX_CONTROL_SHARE},
        )
    return _markup(head.removeprefix(codecs.BOM_UTF8).lstrip())


def is_signed(head: bytes, signature: bytes) -> bool:
    """Whether a file that begins so is of the format with this signature.

    A few letters may be the name of a column, too: ``PAR1``, ``ORC``, ``BZh``. Behind them there is what no text has.
    """
    if not head.startswith(signature):
        return False
    is_word = len(signature) < 5 and signature.isascii() and signature.decode().isprintable()
    return not is_word or any(byte in _CONTROL for byte in head[:256])


def _binary(name: str) -> Reason:
    return reason(
        Code.BINARY_FILE,
        f"the file is {name}, not a CSV",
        "a CSV as text, alone in a .gz or .zip file, or a Parquet file",
    )


def _other_unicode(name: str) -> Reason:
    return reason(Code.NOT_UTF8, f"the file is {name}, not UTF-8", "the same CSV saved as UTF-8")


def _unmarked_unicode(head: bytes) -> str | None:
    """Tell UTF-16 and UTF-32 without a mark by where their NUL bytes are."""
    zeros = [head[place::4].count(0) / max(len(head) // 4, 1) for place in range(4)]
    if sum(share > 0.7 for share in zeros) == 3:
        return "UTF-32"
    if (zeros[0] > 0.7 and zeros[2] > 0.7) != (zeros[1] > 0.7 and zeros[3] > 0.7):
        return "UTF-16"
    return None


def _markup(start: bytes) -> Reason | None:
    for pattern, name in _POINTERS.items():
        if pattern.match(start):
            return reason(
                Code.LFS_POINTER,
                f"the file is a pointer of {name}, not the file that it points to",
                "the address of the file itself, such as the raw or media address of the repository",
            )
    if start.startswith(b"<"):
        return _page(start)
    if _ARFF.match(start):
        return reason(
            Code.HEADER_MISSING, "the file is ARFF, as Weka writes it, not a CSV", "the same rows as CSV with a header"
        )
    if start.startswith((b"{", b"[")) and _JSON_START.match(start):
        return reason(Code.LOOKS_LIKE_JSON, "the file is JSON, not a CSV", "the same rows as CSV with a header")
    return None


def _page(start: bytes) -> Reason | None:
    rest = start
    while rest.startswith(b"<!--"):  # a page may begin with comments
        _, end, rest = rest.partition(_COMMENT_END)
        if not end:
            return None
        rest = rest.lstrip()
    found, tag = _S3_ERROR.search(rest, 0, 4096), _TAG.match(rest)
    if found or (tag and tag[1].lower() not in _HTML):
        said = f": {found[1].decode('utf-8', 'replace')}, {found[2].decode('utf-8', 'replace')}" if found else ""
        return reason(
            Code.LOOKS_LIKE_XML,
            f"the file is XML{', an error of the store' if found else ''}, not a CSV{shorten(said)}",
            "an address that is still valid and leads to the file itself" if found else "the same rows as CSV",
        )
    if tag:
        return reason(
            Code.LOOKS_LIKE_HTML, "the file is an HTML page, not a CSV", "the address of the file itself, not of a page"
        )
    return None


def _first_bad_byte(path: Path) -> Reason | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            if (position := block.find(b"\0")) >= 0:
                line += block.count(b"\n", 0, position)
                message = f"line {line} has a NUL byte"
                return reason(Code.NUL_BYTES, message, "text without NUL bytes", rows=[{"line": line}])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return _not_utf8(line + block.count(b"\n", 0, max(error.start, 0)), error)
            line += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return _not_utf8(line, error)
    return None


def _not_utf8(line: int, error: UnicodeDecodeError) -> Reason:
    return reason(
        Code.NOT_UTF8,
        f"line {line} is not UTF-8 ({error.reason})",
        "the same CSV saved as UTF-8, with or without a byte order mark: `iconv -f WINDOWS-1252 -t UTF-8` writes what "
        "Windows calls ANSI so",
        rows=[{"line": line}],
    )
