"""Compressors: each with its check, decoder and encoder. Encoders give the same bytes on every run.

``numcodecs`` is imported on first need, so that a repack does not import it.
"""

import bz2
import functools
import importlib
import lzma
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.codecs import streams
from uplift.codecs.codec import Buffer, Config, Decoded, DecodeError, Encoded, first_line, raw, view
from uplift.codecs.streams import BLOSC_FORMATS, BLOSC_HEADER

BLOSC_NAMES = ("lz4", "lz4hc", "blosclz", "zstd", "zlib")
SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
_SHUFFLE_NAMES = {number: name for name, number in SHUFFLES.items()}
_ZLIB_DEFAULT_LEVEL = 6
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LZMA_MEMORY_BYTES = 1 << 30


def blosc_problem(config: Config) -> str | None:
    """Say what is wrong with the settings of blosc; other settings have no effect."""
    if config.get("cname", "lz4") not in BLOSC_NAMES:
        return f'blosc with compressor "{config["cname"]}" is not supported'
    if config.get("shuffle", 1) not in (-1, 0, 1, 2):
        return f"blosc with shuffle {config['shuffle']!r} is not supported"
    return None


def blosc_v3(config: Config, element_bytes: int) -> Config:
    """Write out what Zarr v3 requires: ``typesize``, and the shuffle that -1 stands for."""
    shuffle = config.get("shuffle", 1)
    if shuffle == -1:  # numcodecs resolves the automatic shuffle by the size of one element
        shuffle = 2 if element_bytes == 1 else 1
    return {
        "typesize": element_bytes if element_bytes <= 255 else 1,
        "cname": config.get("cname", "lz4"),
        "clevel": config.get("clevel", 5),
        "shuffle": _SHUFFLE_NAMES[shuffle],
        "blocksize": config.get("blocksize", 0),
    }


def check_blosc(data: Encoded, nbytes: int) -> int:
    """Check a blosc header; blosc readers take the stream's end from it.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `check`.
    """
    size = len(data)
    if size < BLOSC_HEADER.size:
        raise DecodeError(_no_blosc(data))
    version, _, flags, typesize, decoded, block, encoded = BLOSC_HEADER.unpack_from(data)
    if version != 2 or not BLOSC_HEADER.size <= encoded <= size:
        raise DecodeError(_no_blosc(data))
    if decoded != nbytes:
        raise DecodeError(f"decodes to {decoded} bytes, {nbytes} expected")
    kind = flags >> 5
    stored = flags & 2
    if (
        typesize == 0
        or (flags & 5) == 5
        or not 0 < block <= decoded
        or (stored and encoded != decoded + BLOSC_HEADER.size)
        or (not stored and (kind == 2 or kind >= len(BLOSC_FORMATS)))
    ):
        raise DecodeError("its blosc header is damaged")
    return int(encoded)


def decode_blosc(
    data: Buffer, config: Config, limit: int, out: NDArray[np.uint8] | None = None
) -> Decoded:
    """Decode blosc data as long as their header says, into `out` when they fill that.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    data = raw(data) if isinstance(data, np.ndarray) else data
    version, *_, decoded, _, encoded = (
        BLOSC_HEADER.unpack_from(data) if len(data) >= BLOSC_HEADER.size else (0,) * 7
    )
    if version != 2 or not BLOSC_HEADER.size <= encoded <= len(data):
        raise DecodeError(_no_blosc(data))
    if decoded > limit:
        raise DecodeError(f"decodes to {decoded} bytes, {limit} expected")
    try:
        if out is not None and decoded == out.nbytes:
            _numcodecs("blosc").decompress(data[:encoded], out)
            return Decoded(out, encoded)
        return Decoded(bytes(_numcodecs("blosc").decompress(data[:encoded])), encoded)
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"the blosc data are damaged ({first_line(error)})") from error


def encode_blosc(data: Buffer, config: Config) -> bytes:
    """Encode on one thread."""
    name = str(config.get("cname", "lz4")).encode()
    settings = (config.get("clevel", 5), config.get("shuffle", 1), config.get("blocksize", 0))
    typesize = config.get("typesize")
    return bytes(_numcodecs("blosc").compress(view(data), name, *settings, typesize))


def zstd_v3(config: Config, element_bytes: int) -> Config:
    """Write out level and checksum flag, within the range of Zarr v3."""
    level = config.get("level")
    level = min(22, max(-131072, level)) if type(level) is int else 0
    return {"level": level, "checksum": bool(config.get("checksum", False))}


def check_zstd(data: Encoded, nbytes: int) -> int | None:
    """Walk the frames' headers; None where the only frame does not say what it decodes to.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `check`.
    """
    frames, end = streams.walk_zstd(data)
    if (several := _several(frames)) is not None:
        raise DecodeError(several)
    content = frames[0].content
    if content is None:
        return None
    if content != nbytes or not frames[0].least <= nbytes <= frames[0].most:
        raise DecodeError(f"decodes to {content} bytes, {nbytes} expected")
    return end


def decode_zstd(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode all frames, never far beyond the limit even where they do not say their size.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    data = raw(data)
    frames, end = streams.walk_zstd(data)
    least = sum(max(frame.content or 0, frame.least) for frame in frames)
    most = sum(frame.most if frame.content is None else frame.content for frame in frames)
    if least > limit:
        raise DecodeError(f"decodes to at least {least} bytes, {limit} expected")
    decompress, body = _numcodecs("zstd").decompress, data[frames[0].start : end]
    try:
        if most <= 2 * limit + streams.ZSTD_BLOCK_BYTES:
            decoded: Buffer = bytes(decompress(body))
        else:
            decoded = np.asarray(decompress(body, np.empty(limit, dtype=np.uint8)))
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"the zstd stream is damaged ({first_line(error)})") from error
    return Decoded(decoded, end, _several(frames))


def _several(frames: list[streams.ZstdFrame]) -> str | None:
    """Note on several frames, which few readers accept."""
    if len(frames) > 1:
        return f"holds {len(frames)} zstd frames one after the other"
    return "holds a skippable zstd frame before its data" if frames[0].start else None


def encode_zstd(data: Buffer, config: Config) -> bytes:
    """Encode to one frame."""
    level, checksum = config.get("level", 0), bool(config.get("checksum", False))
    return bytes(_numcodecs("zstd").compress(view(data), level, checksum))


def gzip_v3(config: Config, element_bytes: int) -> Config:
    """Write out the level; Zarr v3 has no -1, which stands for zlib's default."""
    level = config.get("level")
    level = level if type(level) is int else 1
    return {"level": level if 0 <= level <= 9 else _ZLIB_DEFAULT_LEVEL}


def decode_gzip(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode gzip members or one zlib stream, whichever it is: some writers mix up the names.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    data, label = raw(data), config["id"]
    found = "gzip" if data[:2] == b"\x1f\x8b" else "zlib" if streams.is_zlib(data) else None
    if found is None:
        raise DecodeError(f"is not a {label} stream{streams.seen(data)}")
    decoded = _inflated(data, limit)
    if found == label:
        return decoded
    mixed_up = f"is labelled {label}, but is a {found} stream"
    return decoded._replace(note="; ".join(filter(None, (mixed_up, decoded.note))))


def encode_gzip(data: Buffer, config: Config) -> bytes:
    """Encode to one gzip member or one zlib stream."""
    window_bits = 31 if config["id"] == "gzip" else 15
    stream = zlib.compressobj(config.get("level", 1), zlib.DEFLATED, window_bits)
    return stream.compress(view(data)) + stream.flush()


def zlib_to_gzip(data: Encoded, nbytes: int) -> bytes:
    """Wrap the deflate body of a zlib stream (RFC 1950) as one gzip member (RFC 1952).

    The stream is inflated once, for its CRC-32, and checked by that: no separate check is needed.

    Parameters
    ----------
    data
        One zlib stream, perhaps with bytes after its end.
    nbytes
        Decoded bytes it has to have.

    Raises
    ------
    DecodeError
        Not a sound zlib stream of that length, or one with a preset dictionary.
    """
    if not streams.is_zlib(data):
        raise DecodeError(f"is not a zlib stream{streams.seen(data)}")
    if data[1] & 0x20:
        raise DecodeError("is a zlib stream with a preset dictionary")
    found = _inflated(data, nbytes)
    end, decoded = found.end or 0, raw(found.data)
    if len(decoded) != nbytes:
        raise DecodeError(f"decodes to {len(decoded)} bytes, {nbytes} expected")
    trailer = struct.pack("<II", zlib.crc32(decoded), nbytes & 0xFFFFFFFF)
    return b"".join((GZIP_HEADER, data[2 : end - 4], trailer))


def decode_bz2(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode bz2 streams.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    return streams.decompress_streams(bz2.BZ2Decompressor, raw(data), limit, "bz2")


def encode_bz2(data: Buffer, config: Config) -> bytes:
    """Encode to one bz2 stream."""
    return bz2.compress(view(data), config.get("level", 1))


def decode_lzma(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode lzma streams in the format (xz by default) and with the filters of the settings.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    form = config.get("format", lzma.FORMAT_XZ)

    def new() -> lzma.LZMADecompressor:
        if form == lzma.FORMAT_RAW:
            return lzma.LZMADecompressor(form, None, config.get("filters"))
        return lzma.LZMADecompressor(form, _LZMA_MEMORY_BYTES)

    return streams.decompress_streams(new, raw(data), limit, "lzma")


def encode_lzma(data: Buffer, config: Config) -> bytes:
    """Encode to one lzma stream."""
    return lzma.compress(
        view(data),
        config.get("format", lzma.FORMAT_XZ),
        config.get("check", -1),
        config.get("preset"),
        config.get("filters"),
    )


def decode_lz4(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode an LZ4 block after its decoded size, as numcodecs writes it.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    data = raw(data)
    if len(data) < 5:
        raise DecodeError(f"is too short for lz4 data ({len(data)} bytes)")
    decoded = struct.unpack_from("<I", data)[0]
    if decoded > limit:
        raise DecodeError(
            f"decodes to {decoded} bytes as lz4, {limit} expected{streams.seen(data)}"
        )
    decompress = _numcodecs("lz4").decompress
    try:
        return Decoded(bytes(decompress(data)))
    except (RuntimeError, ValueError) as error:
        # it does so too when there are bytes after the block: walk it to find its end
        end = streams.lz4_end(data, 4, decoded)
        if end is None or end == len(data):
            raise DecodeError(f"the lz4 data are damaged ({first_line(error)})") from error
    try:
        return Decoded(bytes(decompress(data[:end])), end)
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"the lz4 data are damaged ({first_line(error)})") from error


def encode_lz4(data: Buffer, config: Config) -> bytes:
    """Encode as numcodecs does."""
    return bytes(_numcodecs("lz4").compress(view(data), config.get("acceleration", 1)))


def _inflated(data: Encoded, limit: int) -> Decoded:
    if data[:2] == b"\x1f\x8b":
        return streams.decompress_streams(lambda: zlib.decompressobj(31), data, limit, "gzip")
    return streams.decompress_streams(zlib.decompressobj, data, limit, "zlib", several=False)


def _no_blosc(data: Encoded) -> str:
    seen = streams.looks_like(data)
    if seen is None and len(data) >= BLOSC_HEADER.size and data[0] == 2:
        encoded = BLOSC_HEADER.unpack_from(data)[6]
        return f"has {len(data)} bytes, but its blosc header says {encoded}"
    return f"is not blosc data{streams.seen(data)}"


@functools.cache
def _numcodecs(module: str) -> Any:
    loaded: Any = importlib.import_module(f"numcodecs.{module}")
    if module == "blosc":
        # with several threads blosc gives different bytes on every run
        loaded.use_threads = False
    return loaded
