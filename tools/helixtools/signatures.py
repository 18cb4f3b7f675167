"""The signatures of what a kernel exports to modules, as text.

The text, read by core/hot_reload/signature.c, has two parts with an empty line between them:

  NAME CHECKSUM            for each export: descriptor, category:NAME, and every function
  NAME | KEY: VALUE; …     what is behind each export, and behind each named type these lead to

The last key of an export is "(uses)": all named types it leads to, what a type is made of before the type. The first
key of a type is "(size)".
Its checksum is that of its own line and theirs. A type is told by what matters between two binaries: sizes,
offsets, signs, names of members and of types; not by typedefs or names of parameters.
"""
import dataclasses
from typing import List

from helixtools.dwarf_types import (Array, Base, Enum, Function, Pointer, Qualified, Record, Void)

HEADING = "helix signatures 1"

# FNV-1a, 64 bits. Source: Eastlake and others, The FNV Non-Cryptographic Hash Algorithm (RFC 9923).
_FNV_BASIS, _FNV_PRIME = 0xcbf29ce484222325, 0x100000001b3


def checksum(text: str) -> str:
    """16 hexadecimal digits."""
    value = _FNV_BASIS
    for byte in text.encode("ascii"):
        value = (value ^ byte) * _FNV_PRIME % 2**64
    return f"{value:016x}"


# --- spelling -------------------------------------------------------------------------------------

def is_named(made) -> bool:
    """Whether a type has a line of its own."""
    return isinstance(made, (Record, Enum)) and made.name is not None


def tag(made) -> str:
    """The name of a named type, as C has it."""
    return f"{'enum' if isinstance(made, Enum) else made.word} {made.name}"


def _base(made):
    if made.kind in ("bool", "float"):
        return made.kind if made.kind == "bool" else f"float{made.size * 8}"
    return f"{made.kind}{made.size * 8}"


def _nameless(made):
    """The body of a type without a name stands where the name would."""
    inside = ", ".join(f"{key}: {value}" for key, value in _body(made))
    return f"{'enum' if isinstance(made, Enum) else made.word} {{{inside}}}"


def _function(made, inner, spell_one):
    parameters = [spell_one(_bare(parameter)) for parameter in made.parameters]
    parameters += ["..."] if made.is_variadic else []
    convention = f" convention {made.convention}" if made.convention else ""
    return spell_one(made.result, f"{inner}({', '.join(parameters) or 'void'}){convention}")


def declare(made, inner, word_of) -> str:
    """A declaration of inner ("" for the bare type) as C writes it, its innermost word by word_of."""
    def spell_one(part, around=""):
        return declare(part, around, word_of)

    if isinstance(made, Pointer):
        grouped = isinstance(made.target, (Array, Function))
        return spell_one(made.target, f"(*{inner})" if grouped else f"*{inner}")
    if isinstance(made, Qualified) and isinstance(made.target, Pointer):
        return spell_one(made.target, f" {made.word} {inner}".rstrip())
    if isinstance(made, Qualified):
        return f"{made.word} {spell_one(made.target, inner)}"
    if isinstance(made, Array):
        counts = "".join(f"[{'' if count is None else count}]" for count in made.counts)
        return spell_one(made.element, inner + counts)
    if isinstance(made, Function):
        return _function(made, inner, spell_one)
    return f"{word_of(made)} {inner}".rstrip()


def _bare(made):
    """A parameter's own const is nobody's business but the function's."""
    while isinstance(made, Qualified) and made.word != "_Atomic":
        made = made.target
    return made


def _word(made):
    if isinstance(made, Void):
        return "void"
    if isinstance(made, Base):
        return _base(made)
    return tag(made) if is_named(made) else _nameless(made)


def spell(made) -> str:
    """A type in the words of the signatures."""
    return declare(made, "", _word)


# --- bodies ---------------------------------------------------------------------------------------

def _place(member, start):
    if member.bits:
        return f"bits {start * 8 + member.bits[0]} to {start * 8 + member.bits[0] + member.bits[1] - 1}"
    return f"at {start + member.offset}"


def _member_entries(member, prefix, start):
    """Of one member; those of a record without a name follow it, each by its path."""
    place = _place(member, start)
    if isinstance(member.type, Record) and member.type.name is None:
        inside = f"{prefix}{member.name}." if member.name else prefix
        path = f"{prefix}{member.name or '(nameless)'}"
        head = [(path, f"{member.type.word} of {member.type.size} bytes {place}")]
        return head + _members(member.type, inside, start + member.offset)
    return [(f"{prefix}{member.name}", f"{spell(member.type)} {place}")]


def _members(made, prefix="", start=0):
    return [entry for member in made.members for entry in _member_entries(member, prefix, start)]


def _size_of(made):
    if made.size is None:
        return "opaque"
    aligned = f" aligned to {made.alignment}" if getattr(made, "alignment", None) else ""
    return f"{made.size} bytes{aligned}"


def _body(made):
    """[(key, value)] of a record or enumeration."""
    if isinstance(made, Enum):
        return [("(size)", _size_of(made))] + [(name, str(value)) for name, value in made.enumerators]
    return [("(size)", _size_of(made))] + _members(made)


def _parts(made):
    if isinstance(made, (Pointer, Qualified)):
        return [made.target]
    if isinstance(made, Array):
        return [made.element]
    if isinstance(made, Function):
        return [made.result, *made.parameters]
    return [member.type for member in made.members] if isinstance(made, Record) else []


def closure(made) -> list:
    """The named types that a type leads to, itself included, each once, parts before what they are in."""
    met, found = [], []

    def visit(part):
        if any(part is one for one in met):
            return
        met.append(part)
        for inner in _parts(part):
            visit(inner)
        if is_named(part):
            found.append(part)

    visit(made)
    return found


# --- exports --------------------------------------------------------------------------------------

@dataclasses.dataclass
class Export:
    """What modules are given under a name."""
    name: str
    type: object                 # of the function, or the record
    entries: list                # [(key, value)], without "(uses)"

    def line(self) -> str:
        uses = ", ".join(tag(made) for made in closure(self.type))
        return _line(self.name, self.entries + ([("(uses)", uses)] if uses else []))

    def checksum(self) -> str:
        return checksum("".join(f"{line}\n" for line in
                                [self.line(), *map(type_line, closure(self.type))]))


def _line(name, entries):
    return f"{name} | " + "; ".join(f"{key}: {value}" for key, value in entries)


def type_line(made) -> str:
    """The line of a named type."""
    return _line(tag(made), _body(made))


def _function_export(name, made):
    entries = [("returns", spell(made.result))]
    entries += [(f"parameter {index}", spell(_bare(parameter)))
                for index, parameter in enumerate(made.parameters, 1)]
    entries += [("variadic", "yes")] if made.is_variadic else []
    return Export(name, made, entries)


def _target(made):
    """What a pointer variable, however qualified, points to."""
    return _bare(_bare(made).target)


def find_exports(read) -> List[Export]:
    """The exports that sdk/exports.c declares, in a fixed order."""
    exports = [Export("descriptor", _target(read.types["descriptor"]),
                      [("type", spell(_target(read.types["descriptor"])))])]
    for name, made in read.types.items():
        if name.startswith("category_") and not name.startswith("category_name_"):
            number = name.removeprefix("category_")
            record = _target(made)
            exports.append(Export(f"category:{read.texts[f'category_name_{number}']}", record,
                                  [("number", number), ("type", spell(record))]))
        if name.startswith("function_"):
            exports.append(_function_export(name.removeprefix("function_"), _target(made)))
    return sorted(exports, key=lambda export: export.name)


def all_types(exports) -> list:
    """Every named type behind the exports, each once, by name."""
    found = {tag(made): made for export in exports for made in closure(export.type)}
    return [found[name] for name in sorted(found)]


def text(exports) -> str:
    """The whole text."""
    index = [f"{export.name} {export.checksum()}" for export in exports]
    bodies = [export.line() for export in exports] + [type_line(made) for made in all_types(exports)]
    return "\n".join([HEADING, *index, "", *bodies, ""])
