"""The guest's screen: pictures of it through QEMU's monitor, and the text that stands on them."""
import json
import pathlib
import socket
import struct
import time
import zlib

from helixtools import psf

FONT = pathlib.Path("/usr/share/consolefonts/Uni2-Terminus16.psf.gz")


class Monitor:
    """QEMU's monitor (QMP) at a socket's path, which QEMU makes when it starts."""

    def __init__(self, path, patience=30):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience)
        end = time.monotonic() + patience
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._lines.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        message = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "error" in answer:
                raise ValueError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def press(self, *keys):
        """Press keys, by QEMU's names, together: press("ctrl", "c")."""
        self("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def picture(self, path):
        """What the screen shows, as a picture; path is where QEMU may put it."""
        self("screendump", filename=str(path))
        return Picture(pathlib.Path(path).read_bytes())


class Picture:
    """Pixels of a screen, of a PPM file."""

    def __init__(self, data):
        kind, width, height, most, pixels = data.split(maxsplit=4)[:4] + [data[_header_size(data):]]
        if kind != b"P6" or most != b"255":
            raise ValueError("no PPM of 8 bits")
        self.width, self.height, self.pixels = int(width), int(height), pixels

    def cell(self, column, row):
        """Its pixels, row by row."""
        width = 3 * psf.WIDTH
        first = 3 * (row * psf.HEIGHT * self.width + column * psf.WIDTH)
        return b"".join(self.pixels[at:at + width] for at in
                        range(first, first + 3 * self.width * psf.HEIGHT, 3 * self.width))

    def png(self):
        """The same as a PNG file's bytes."""
        lines = b"".join(b"\0" + self.pixels[3 * y * self.width:3 * (y + 1) * self.width] for y in range(self.height))
        return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0))
                + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b""))


def _header_size(data):
    """The bytes before the pixels: four words, each with one blank behind it."""
    at = 0
    for _ in range(4):
        while not data[at:at + 1].isspace():
            at += 1
        at += 1
    return at


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _take_apart(cell):
    """(rows of the glyph, ink, paper) of a cell's pixels; the paper is the colour of which there is more."""
    colours = [cell[at:at + 3] for at in range(0, len(cell), 3)]
    found = sorted(set(colours), key=colours.count, reverse=True)
    if len(found) > 2:
        raise ValueError(f"a cell has {len(found)} colours")
    paper, ink = (found * 2)[:2]
    rows = [colours[at:at + psf.WIDTH] for at in range(0, len(colours), psf.WIDTH)]
    return bytes(sum((colour != paper) << (7 - x) for x, colour in enumerate(row)) for row in rows), ink, paper


class Reader:
    """Reads text from pictures by the glyphs of the console's font."""

    def __init__(self, font=FONT):
        glyphs, table = psf.read_font(font)
        self._characters = {psf.BOX: "\N{REPLACEMENT CHARACTER}"}
        for character in sorted(table, reverse=True):  # of those that look the same the smallest is read
            self._characters[glyphs[table[character]]] = chr(character)
        self._known = {}

    def _character(self, cell):
        """A cursor, or a character that has more ink than paper, is its glyph turned over."""
        if cell not in self._known:
            glyph = _take_apart(cell)[0]
            turned = bytes(row ^ 0xff for row in glyph)
            self._known[cell] = self._characters.get(glyph) or self._characters.get(turned) or "?"
        return self._known[cell]

    def rows(self, picture):
        """The text of each row, without blanks at its end."""
        return ["".join(self._character(picture.cell(column, row)) for column in range(picture.width // psf.WIDTH)).rstrip()
                for row in range(picture.height // psf.HEIGHT)]

    def colour_of(self, picture, text):
        """The ink of the last row in which a text stands, as six hexadecimal digits."""
        rows = self.rows(picture)
        row = max(number for number, line in enumerate(rows) if text in line)
        column = rows[row].index(text)
        cells = [_take_apart(picture.cell(column + i, row)) for i in range(len(text))]
        return next(ink.hex() for _, ink, paper in cells if ink != paper)
