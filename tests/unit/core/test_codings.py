from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core.codings import CHUNK_BYTES, CodingError, CutShortError, unpacked

DATA = b"Password,Times\n" + b"".join(b"word%d,%d\n" % (number, number % 2) for number in range(50))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def whole(data: bytes, header: str, size: int = 7) -> bytes:
    return b"".join(unpacked((data[start : start + size] for start in range(0, len(data), size)), header))


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "identity",
        "none",
        "utf-8",
        "UTF-8",
        "binary",
        "aws-chunked",
        "null",
        "8bit",
        "x-unknown",
        "identity, ,none",
    ],
)
def test_a_word_that_packs_nothing_is_taken_as_none(header: str) -> None:
    assert whole(DATA, header) == DATA


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip", gzip.compress(DATA)),
        ("GZIP", gzip.compress(DATA)),
        ("x-gzip", gzip.compress(DATA)),
        ("gzip, aws-chunked", gzip.compress(DATA)),
        ("gzip", gzip.compress(DATA[:100]) + gzip.compress(DATA[100:])),
        ("gzip", gzip.compress(b"") + gzip.compress(DATA) + gzip.compress(b"")),
        ("gzip", gzip.compress(DATA) + bytes(512)),
        ("deflate", zlib.compress(DATA)),
        ("deflate", raw_deflate(DATA)),
        ("gzip, gzip", gzip.compress(gzip.compress(DATA))),
        ("deflate, gzip", gzip.compress(raw_deflate(DATA))),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_what_is_packed_comes_out_whole(header: str, packed: bytes, size: int) -> None:
    assert whole(packed, header, size) == DATA


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip", DATA),
        ("deflate", DATA),
        ("gzip", gzip.compress(DATA) + b"more"),
        ("gzip", gzip.compress(DATA) + bytes(9) + b"more"),
        ("gzip", gzip.compress(DATA) + bytes(9) + gzip.compress(DATA)),
        ("deflate", zlib.compress(DATA) + b"x"),
        ("deflate", raw_deflate(DATA) + b"x"),
        ("gzip", gzip.compress(DATA)[:-8] + bytes(8)),
        ("br", DATA),
        ("zstd", DATA),
        ("gzip, br", DATA),
        ("gzip, gzip, gzip, gzip", DATA),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_cannot_be_undone_whole_is_refused(header: str, packed: bytes, size: int) -> None:
    with pytest.raises(CodingError):
        whole(packed, header, size)


@pytest.mark.parametrize(
    ("header", "packed"),
    [("gzip", gzip.compress(DATA)), ("deflate", zlib.compress(DATA)), ("deflate", raw_deflate(DATA))],
)
def test_every_part_of_it_is_told_to_be_cut(header: str, packed: bytes) -> None:
    for length in range(len(packed)):
        with pytest.raises(CutShortError):
            whole(packed[:length], header, 1 << 20)


def test_chunks_are_bounded_however_much_a_piece_unpacks_to() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    sizes = [len(chunk) for chunk in unpacked([bomb], "gzip")]
    assert max(sizes) <= CHUNK_BYTES
    assert sum(sizes) == 10_000_000


def test_many_empty_members_cost_no_square() -> None:
    assert whole(gzip.compress(b"") * 50_000 + gzip.compress(DATA), "gzip", 1 << 16) == DATA


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 500))
def test_members_of_any_content_are_all_read(parts: list[bytes], size: int) -> None:
    assert whole(b"".join(gzip.compress(part) for part in parts), "gzip", size) == b"".join(parts)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "deflate, gzip"]))
def test_any_bytes_are_read_or_refused(data: bytes, header: str) -> None:
    try:
        whole(data, header)
    except CodingError:
        return
