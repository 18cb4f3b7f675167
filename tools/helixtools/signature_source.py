"""The C file that a module is built with: the signatures, and assertions that its headers and flags keep them.

The text goes into a section that is not loaded. Each assertion says what it is about, so a header, a macro or a
flag that makes another type of something is an error of the compiler that names it.
"""
from helixtools import signatures
from helixtools.dwarf_types import Base, Enum, Record, Void

SECTION = ".helix.signatures"


class _NoName(Exception):
    """A type that cannot be written down outside of its own definition."""


def _word(made):
    if isinstance(made, Void):
        return "void"
    if isinstance(made, Base):
        return made.name
    if not signatures.is_named(made):
        raise _NoName()
    return signatures.tag(made)


def _c_type(made):
    """A type as C has it; None if it has a part without a name."""
    try:
        return signatures.declare(made, "", _word)
    except _NoName:
        return None


def _assertion(condition, sentence):
    return f'_Static_assert({condition}, "{sentence}");'


def _same_type(expression, made, sentence):
    spelled = _c_type(made)
    return [] if spelled is None else [_assertion(
        f"__builtin_types_compatible_p(__typeof__({expression}), {spelled})", sentence)]


def _member_assertions(record, member, prefix):
    """Of one member by its path; a bit-field has no address, so its record's size must do."""
    name = signatures.tag(record)
    if member.name is None:
        return _members_assertions(record, member.type, prefix)
    if member.bits:
        return []
    path = prefix + member.name
    asserted = _same_type(f"(({name} *)0)->{path}", member.type,
                          f"{name}.{path}: not {signatures.spell(member.type)}")
    if isinstance(member.type, Record) and member.type.name is None:
        asserted += _members_assertions(record, member.type, f"{path}.")
    return asserted


def _members_assertions(record, inner, prefix):
    return [line for member in inner.members for line in _member_assertions(record, member, prefix)]


def _offset_assertions(record, inner, prefix="", start=0):
    """Where each member is that can be named."""
    name, asserted = signatures.tag(record), []
    for member in inner.members:
        if member.bits:
            continue
        at = start + member.offset
        path = prefix + (member.name or "")
        if member.name:
            asserted.append(_assertion(f"__builtin_offsetof({name}, {path}) == {at}",
                                       f"{name}.{path}: not at {at}"))
        if isinstance(member.type, Record) and member.type.name is None:
            asserted += _offset_assertions(record, member.type,
                                           f"{path}." if member.name else prefix, at)
    return asserted


def _type_assertions(made):
    name = signatures.tag(made)
    if made.size is None:
        return []
    size = [_assertion(f"sizeof({name}) == {made.size}", f"{name}: not {made.size} bytes")]
    if isinstance(made, Enum):
        return size + [_assertion(f"{key} == {value}", f"{name}.{key}: not {value}")
                       for key, value in made.enumerators]
    return _members_assertions(made, made, "") + _offset_assertions(made, made) + size


def _is_function(export):
    return ":" not in export.name and export.name != "descriptor"


def _assertions(exports):
    lines = [_assertion("(char)-1 < 0", "char: not signed")]
    for made in signatures.all_types(exports):
        lines += _type_assertions(made)
    for export in filter(_is_function, exports):
        lines += _same_type(export.name, export.type, f"{export.name}: not as its signature says")
    return lines


def _quoted(line):
    return '    ".ascii \\"' + line + '\\\\n\\"\\n"'


def source(exports, headers) -> str:
    """The file, for headers as they are included."""
    lines = ["/*", " * The types that this module and the kernel must agree on: made by tools/signatures.",
             " */"]
    lines += [f"#include <{header}>" for header in headers]
    lines += ["#include <stddef.h>", "", *_assertions(exports), "", "__asm__("]
    lines += [f'    ".section {SECTION},\\"\\",@progbits\\n"']
    lines += [_quoted(line) for line in signatures.text(exports).splitlines()]
    return "\n".join([*lines, '    ".previous\\n");', ""])
