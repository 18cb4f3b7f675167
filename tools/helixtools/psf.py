"""Linux console fonts (PSF 1 or 2, compressed or not) of glyphs that are 8 pixels wide and 16 high."""
import gzip
import struct

WIDTH, HEIGHT = 8, 16
BOX = bytes([0, 0, 0] + [0x7e] + [0x42] * 8 + [0x7e] + [0, 0, 0])
PSF1_MAGIC, PSF2_MAGIC = b"\x36\x04", b"\x72\xb5\x4a\x86"
PSF1_512, PSF1_TABLE = 1, 2
PSF2_TABLE = 1


def read_psf1(data):
    """(width, height, glyphs, [characters of each])"""
    mode, height = data[2], data[3]
    count = 512 if mode & PSF1_512 else 256
    glyphs = [data[4 + i * height:4 + (i + 1) * height] for i in range(count)]
    if not mode & PSF1_TABLE:
        raise ValueError("the font does not say which characters its glyphs are")
    rest = data[4 + count * height:]
    words = struct.unpack(f"<{len(rest) // 2}H", rest)
    names, index = [], 0
    for _ in range(count):
        end = words.index(0xffff, index)
        # What follows 0xfffe are sequences of characters, which nobody writes.
        own = words[index:end]
        names.append(list(own[:_before(own, 0xfffe)]))
        index = end + 1
    return WIDTH, height, glyphs, names


def read_psf2(data):
    """As read_psf1."""
    _, _, header, flags, count, size, height, width = struct.unpack("<8I", data[:32])
    glyphs = [data[header + i * size:header + (i + 1) * size] for i in range(count)]
    if not flags & PSF2_TABLE:
        raise ValueError("the font does not say which characters its glyphs are")
    parts = data[header + count * size:].split(b"\xff")[:count]
    return width, height, glyphs, [[ord(char) for char in part.split(b"\xfe")[0].decode()] for part in parts]


def _before(words, mark):
    return words.index(mark) if mark in words else len(words)


def read_font(path):
    """([rows of each glyph], {character: glyph})"""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:2] == PSF1_MAGIC:
        width, height, glyphs, names = read_psf1(data)
    elif data[:4] == PSF2_MAGIC:
        width, height, glyphs, names = read_psf2(data)
    else:
        raise ValueError("no PSF font")
    if (width, height) != (WIDTH, HEIGHT):
        raise ValueError(f"glyphs of {width} by {height} pixels; {WIDTH} by {HEIGHT} are wanted")
    table = {}
    for glyph, characters in enumerate(names):
        for character in characters:
            table.setdefault(character, glyph)
    if not set(range(0x20, 0x7f)) <= set(table):
        raise ValueError("not all of ASCII is in it")
    return glyphs, table
