"""The C types of an object file's variables, read from its debug information.

Typedefs are looked through: what they stand for is what counts. Needs Debian's python3-pyelftools.
"""
import dataclasses
from typing import Dict, List, Optional, Tuple

from elftools.elf.elffile import ELFFile

# DW_ATE_…, DWARF 5, 7.8
_ENCODINGS = {2: "bool", 4: "float", 5: "int", 6: "int", 7: "uint", 8: "uint", 16: "uint"}
_QUALIFIERS = {"DW_TAG_const_type": "const", "DW_TAG_volatile_type": "volatile",
               "DW_TAG_atomic_type": "_Atomic"}
_RECORDS = {"DW_TAG_structure_type": "struct", "DW_TAG_union_type": "union"}
# What changes nothing about a type.
_TRANSPARENT = ("DW_TAG_typedef", "DW_TAG_restrict_type")


@dataclasses.dataclass(eq=False)
class Base:
    """A number; kind is bool, float, int or uint."""
    name: str
    kind: str
    size: int


@dataclasses.dataclass(eq=False)
class Void:
    """Nothing."""


@dataclasses.dataclass(eq=False)
class Pointer:
    """An address."""
    target: object = None


@dataclasses.dataclass(eq=False)
class Qualified:
    """A type with const, volatile or _Atomic before it."""
    word: str
    target: object = None


@dataclasses.dataclass(eq=False)
class Array:
    """Elements in a row; a count of None is left open."""
    element: object = None
    counts: Tuple[Optional[int], ...] = ()


@dataclasses.dataclass(eq=False)
class Function:
    """What a function takes and gives; convention is DWARF's number of an unusual one."""
    result: object = None
    parameters: List[object] = dataclasses.field(default_factory=list)
    is_variadic: bool = False
    convention: int = 0


@dataclasses.dataclass(eq=False)
class Member:
    """Of a record. bits: (first bit, how many) of a bit-field, counted from the record's start."""
    name: Optional[str]
    type: object
    offset: int
    bits: Optional[Tuple[int, int]] = None


@dataclasses.dataclass(eq=False)
class Record:
    """A struct or union; size is None while its body is not visible."""
    word: str
    name: Optional[str]
    size: Optional[int]
    members: List[Member] = dataclasses.field(default_factory=list)
    alignment: Optional[int] = None


@dataclasses.dataclass(eq=False)
class Enum:
    """An enumeration."""
    name: Optional[str]
    size: int
    enumerators: List[Tuple[str, int]]


def _text(die, attribute):
    value = die.attributes.get(attribute)
    return value.value.decode() if value else None


def _number(die, attribute):
    value = die.attributes.get(attribute)
    return value.value if value else None


def _children(die, *tags):
    return [child for child in die.iter_children() if child.tag in tags]


def _first_bit(die, offset):
    """Of a bit-field. The older of DWARF's two ways counts from the high end of the storage unit at offset."""
    first = _number(die, "DW_AT_data_bit_offset")
    if first is not None:
        return first
    unit = _number(die, "DW_AT_byte_size") * 8
    return offset * 8 + unit - (_number(die, "DW_AT_bit_offset") or 0) - _number(die, "DW_AT_bit_size")


class _Reader:
    """Types by the place of their entries, so that a type that refers to itself is read once."""

    def __init__(self):
        self.types = {}

    def type_of(self, die):
        """The type that an entry's DW_AT_type names; none is void."""
        return self.read(die.get_DIE_from_attribute("DW_AT_type")) \
            if "DW_AT_type" in die.attributes else Void()

    def read(self, die):
        if die.tag in _TRANSPARENT:
            return self.type_of(die)
        if die.offset not in self.types:
            begin, fill = self._how(die)
            self.types[die.offset] = begin(die)
            fill(self.types[die.offset], die)
        return self.types[die.offset]

    def _how(self, die):
        """What makes the empty type, and what fills it in: its parts may lead back to it."""
        if die.tag in _RECORDS:
            return self._begin_record, self._fill_record
        if die.tag in _QUALIFIERS:
            return (lambda it: Qualified(_QUALIFIERS[it.tag])), self._fill_target
        return {
            "DW_TAG_base_type": (self._begin_base, lambda made, it: None),
            "DW_TAG_pointer_type": (lambda it: Pointer(), self._fill_target),
            "DW_TAG_array_type": (lambda it: Array(), self._fill_array),
            "DW_TAG_subroutine_type": (lambda it: Function(), self._fill_function),
            "DW_TAG_enumeration_type": (self._begin_enum, lambda made, it: None),
        }[die.tag]

    def _fill_target(self, made, die):
        made.target = self.type_of(die)

    def _begin_base(self, die):
        return Base(_text(die, "DW_AT_name"), _ENCODINGS[_number(die, "DW_AT_encoding")],
                    _number(die, "DW_AT_byte_size"))

    def _fill_array(self, made, die):
        made.element = self.type_of(die)
        made.counts = tuple(_number(part, "DW_AT_count")
                            for part in _children(die, "DW_TAG_subrange_type"))

    def _fill_function(self, made, die):
        made.result = self.type_of(die)
        made.parameters = [self.type_of(part)
                           for part in _children(die, "DW_TAG_formal_parameter")]
        made.is_variadic = bool(_children(die, "DW_TAG_unspecified_parameters"))
        made.convention = _number(die, "DW_AT_calling_convention") or 0

    def _begin_enum(self, die):
        enumerators = [(_text(part, "DW_AT_name"), _number(part, "DW_AT_const_value"))
                       for part in _children(die, "DW_TAG_enumerator")]
        return Enum(_text(die, "DW_AT_name"), _number(die, "DW_AT_byte_size"), enumerators)

    def _begin_record(self, die):
        visible = "DW_AT_declaration" not in die.attributes
        return Record(_RECORDS[die.tag], _text(die, "DW_AT_name"),
                      _number(die, "DW_AT_byte_size") if visible else None,
                      alignment=_number(die, "DW_AT_alignment"))

    def _fill_record(self, made, die):
        made.members = [self._member(part) for part in _children(die, "DW_TAG_member")]

    def _member(self, die):
        offset = _number(die, "DW_AT_data_member_location") or 0
        bits = (_first_bit(die, offset), _number(die, "DW_AT_bit_size")) \
            if "DW_AT_bit_size" in die.attributes else None
        return Member(_text(die, "DW_AT_name"), self.type_of(die), offset, bits)


@dataclasses.dataclass
class Object:
    """What an object file's variables are: their types, and the bytes of those that are text."""
    types: Dict[str, object]
    texts: Dict[str, str]


def _read_texts(elf):
    texts = {}
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        index = symbol["st_shndx"]
        if isinstance(index, int) and symbol["st_info"]["type"] == "STT_OBJECT":
            data = elf.get_section(index).data()[symbol["st_value"]:][:symbol["st_size"]]
            if data.endswith(b"\0") and b"\0" not in data[:-1]:
                texts[symbol.name] = data[:-1].decode("ascii")
    return texts


def read_object(path) -> Object:
    """The variables of an object file that was compiled with -g."""
    reader, types = _Reader(), {}
    with open(path, "rb") as file:
        elf = ELFFile(file)
        for unit in elf.get_dwarf_info().iter_CUs():
            for die in _children(unit.get_top_DIE(), "DW_TAG_variable"):
                if "DW_AT_name" in die.attributes:
                    types[_text(die, "DW_AT_name")] = reader.type_of(die)
        return Object(types, _read_texts(elf))
