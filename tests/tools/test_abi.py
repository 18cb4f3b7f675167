"""The corpus of changes to the interface of modules: what no longer fits is refused by the name of the field that
differs, by helix-module-check and by the loader of a running kernel; what makes no difference is accepted."""
import pytest

from helixtools.abi_corpus import Change, DoesNotBuild, Kernel, build_module, make_headers


def abi(old, new):
    return [Change("abi.h", old, new)]


REQUEST = "hx_clock_now: struct abi_request"

# name: (what the module's headers have instead of the kernel's, what the refusal says)
INCOMPATIBLE = {
    "members_change_places": (abi("uint32_t id;\n    int32_t delta;", "int32_t delta;\n    uint32_t id;"),
                              f"{REQUEST}.delta: int32 at 0, here int32 at 4"),
    "a_member_is_wider": (abi("uint32_t id;", "uint64_t id;"), f"{REQUEST}.id: uint64 at 0, here uint32 at 0"),
    "a_member_is_narrower": (abi("uint64_t size;", "uint32_t size;"),
                             f"{REQUEST}.size: uint32 at 8, here uint64 at 8"),
    "a_member_loses_its_sign": (abi("int32_t delta;", "uint32_t delta;"),
                                f"{REQUEST}.delta: uint32 at 4, here int32 at 4"),
    "a_member_is_gone": (abi("    const char *name;\n", ""), f"{REQUEST}.name: nothing, here const int8 * at 88"),
    "a_member_is_new_at_the_end": (abi("    } range;\n", "    } range;\n    uint64_t extra;\n"),
                                   f"{REQUEST}.extra: uint64 at 112, here nothing"),
    "a_member_is_new_in_the_middle": (abi("    const char *name;\n", "    uint64_t extra;\n    const char *name;\n"),
                                      f"{REQUEST}.extra: uint64 at 88, here nothing"),
    "a_member_is_renamed": (abi("uint64_t size;", "uint64_t bytes;"),
                            f"{REQUEST}.bytes: uint64 at 8, here nothing"),
    "a_number_becomes_a_pointer": (abi("uint64_t size;", "void *size;"),
                                   f"{REQUEST}.size: void * at 8, here uint64 at 8"),
    "a_pointer_is_to_another_type": (abi("struct abi_request *next;", "struct abi_part *next;"),
                                     f"{REQUEST}.next: struct abi_part * at 72, here struct abi_request * at 72"),
    "a_pointer_loses_its_const": (abi("const char *name;", "char *name;"),
                                  f"{REQUEST}.name: int8 * at 88, here const int8 * at 88"),
    "a_member_is_volatile": (abi("uint64_t size;", "volatile uint64_t size;"),
                             f"{REQUEST}.size: volatile uint64 at 8, here uint64 at 8"),
    "a_number_becomes_a_float": (abi("uint64_t size;", "double size;"),
                                 f"{REQUEST}.size: float64 at 8, here uint64 at 8"),
    "a_number_becomes_a_bool": (abi("    char tag;", "    _Bool tag;"), f"{REQUEST}.tag: bool at 96, here int8 at 96"),
    "a_record_is_packed": (abi("#endif\n};\n", "#endif\n} __attribute__((packed));\n"),
                           f"{REQUEST}.parts: struct abi_part [4] at 21, here struct abi_part [4] at 24"),
    "a_record_is_aligned": (abi("    uint32_t length;\n};", "    uint32_t length;\n} __attribute__((aligned(16)));"),
                            "hx_clock_now: struct abi_part: 16 bytes aligned to 16, here 8 bytes"),
    "a_member_is_aligned": (abi("    uint32_t after;", "    uint32_t after __attribute__((aligned(16)));"),
                            f"{REQUEST}.after: uint32 at 112, here uint32 at 100"),
    "a_bit_field_is_wider": (abi("uint32_t level : 3;", "uint32_t level : 4;"),
                             f"{REQUEST}.level: uint32 bits 161 to 164, here uint32 bits 161 to 163"),
    "a_bit_field_is_none": (abi("uint32_t level : 3;", "uint32_t level;"),
                            f"{REQUEST}.level: uint32 at 24, here uint32 bits 161 to 163"),
    "bit_fields_change_places": (abi("uint32_t urgent : 1;\n    uint32_t level : 3;",
                                     "uint32_t level : 3;\n    uint32_t urgent : 1;"),
                                 f"{REQUEST}.level: uint32 bits 160 to 162, here uint32 bits 161 to 163"),
    "an_array_is_longer": (abi("parts[ABI_PARTS]", "parts[5]"),
                           f"{REQUEST}.parts: struct abi_part [5] at 24, here struct abi_part [4] at 24"),
    "a_macro_has_another_value": (abi("#define ABI_PARTS 4", "#define ABI_PARTS 2"),
                                  f"{REQUEST}.parts: struct abi_part [2] at 24, here struct abi_part [4] at 24"),
    "a_configuration_macro_is_set": (abi("#define ABI_PARTS 4", "#define ABI_PARTS 4\n#define ABI_TRACE"),
                                     f"{REQUEST}.trace: uint64 at 112, here nothing"),
    "a_member_of_a_nameless_record_moves": (abi("uint16_t low;\n        uint16_t high;",
                                                "uint16_t high;\n        uint16_t low;"),
                                            f"{REQUEST}.range.high: uint16 at 104, here uint16 at 106"),
    "an_inner_record_changes": (abi("    uint32_t offset;\n", "    uint64_t offset;\n"),
                                "hx_clock_now: struct abi_part.offset: uint64 at 0, here uint32 at 0"),
    "a_union_has_another_member": (abi("char text[8];", "uint8_t text[8];"),
                                   "hx_clock_now: union abi_value.text: uint8 [8] at 0, here int8 [8] at 0"),
    "a_union_is_larger": (abi("char text[8];", "char text[16];"),
                          "hx_clock_now: union abi_value.text: int8 [16] at 0, here int8 [8] at 0"),
    "an_opaque_record_is_visible": (abi("struct abi_hidden;", "struct abi_hidden { int a; };"),
                                    "hx_clock_now: struct abi_hidden: 4 bytes, here opaque"),
    "another_opaque_record": (abi("struct abi_hidden *hidden;", "struct abi_secret *hidden;"),
                              f"{REQUEST}.hidden: struct abi_secret * at 64, here struct abi_hidden * at 64"),
    "an_enumerator_has_another_value": (abi("ABI_WRITE = 2", "ABI_WRITE = 4"),
                                        "hx_clock_now: enum abi_mode.ABI_WRITE: 4, here 2"),
    "enumerators_change_places": (abi("ABI_READ = 1, ABI_WRITE = 2", "ABI_WRITE = 1, ABI_READ = 2"),
                                  "hx_clock_now: enum abi_mode.ABI_WRITE: 1, here 2"),
    "an_enumerator_is_not_known_to_the_kernel": (abi("ABI_BOTH = 3", "ABI_BOTH = 3, ABI_NONE = 4"),
                                                 "hx_clock_now: enum abi_mode.ABI_NONE: 4, here nothing"),
    "an_enumeration_is_packed": (abi("ABI_BOTH = 3 };", "ABI_BOTH = 3 } __attribute__((packed));"),
                                 "hx_clock_now: enum abi_mode: 1 bytes, here 4 bytes"),
    "an_enumeration_becomes_a_number": (abi("enum abi_mode mode;", "uint32_t mode;"),
                                        f"{REQUEST}.mode: uint32 at 16, here enum abi_mode at 16"),
    "a_callback_takes_less": (abi("(struct abi_request *request, uint32_t status);", "(struct abi_request *request);"),
                              f"{REQUEST}.done: enum hx_err (*)(struct abi_request *) at 80, here "),
    "a_callback_takes_another_type": (abi("*request, uint32_t status", "*request, int32_t status"),
                                      f"{REQUEST}.done: enum hx_err (*)(struct abi_request *, int32) at 80, here "),
    "a_callback_gives_nothing": (abi("hx_err (*done)", "void (*done)"),
                                 f"{REQUEST}.done: void (*)(struct abi_request *, uint32) at 80, here "),
    "a_parameter_is_wider": (abi("uint32_t flags);", "uint64_t flags);"),
                             "hx_clock_now: parameter 3: uint64, here uint32"),
    "a_parameter_is_gone": (abi(", uint32_t flags);", ");"), "hx_clock_now: parameter 3: nothing, here uint32"),
    "a_parameter_is_new": (abi("uint32_t flags);", "uint32_t flags, uint64_t more);"),
                           "hx_clock_now: parameter 4: uint64, here nothing"),
    "a_parameter_is_writable": (abi("const struct abi_part *part,", "struct abi_part *part,"),
                                "hx_clock_now: parameter 2: struct abi_part *, here const struct abi_part *"),
    "a_function_is_variadic": (abi("uint32_t flags);", "uint32_t flags, ...);"),
                               "hx_clock_now: variadic: yes, here nothing"),
    "a_result_is_narrower": (abi("uint64_t hx_clock_now", "uint32_t hx_clock_now"),
                             "hx_clock_now: returns: uint32, here uint64"),
    "an_error_has_another_number": ([Change("error.h", "X(HX_EINVAL, 1, 22,", "X(HX_EINVAL, 200, 22,")],
                                    "descriptor: enum hx_err.HX_EINVAL: 200, here 1"),
    "an_operation_is_new": ([Change("demo.h", "    X(DEMO_NOTHING, nothing,",
                                    "    X(DEMO_EXTRA, extra, uint64_t, (void), HX_OPERATION_READS) \\\n"
                                    "    X(DEMO_NOTHING, nothing,")],
                            "category:demo: struct hx_demo_operations.extra: uint64 (*)(void) at 0, here nothing"),
    "an_operation_takes_another_type": ([Change("demo.h", "add, uint64_t, (uint64_t a, uint64_t b)",
                                                "add, uint64_t, (uint64_t a, uint32_t b)")],
                                        "category:demo: struct hx_demo_operations.add: uint64 (*)(uint64, uint32) "),
    "a_category_has_another_number": ([Change("category_list.h", "X(HX_CATEGORY_DEMO, 1,", "X(HX_CATEGORY_DEMO, 77,")],
                                      "no such category of modules is known here"),
    "a_member_of_the_lifecycle_takes_less": ([Change("module.h", "hx_err (*import_state)(uint64_t minor);",
                                                     "hx_err (*import_state)(void);")],
                                             "descriptor: struct hx_module_lifecycle.import_state: "),
    "the_descriptor_has_a_shorter_name": ([Change("module.h", "#define HX_MODULE_NAME_MAX 32",
                                                  "#define HX_MODULE_NAME_MAX 24")],
                                          "descriptor: struct hx_module_descriptor.name: int8 [24] at 16, here "),
}

NEUTRAL = {
    "nothing": [],
    "a_comment": abi("enum abi_mode {", "/* What is done. */\nenum abi_mode {"),
    "another_order_of_declarations": [Change("abi.h", "struct abi_hidden;\n", ""),
                                      Change("abi.h", "enum abi_mode { ABI_READ",
                                             "struct abi_hidden;\nenum abi_mode { ABI_READ")],
    "a_parameter_has_another_name": abi("uint32_t flags);", "uint32_t how);"),
    "a_parameter_has_no_name": abi("const struct abi_part *part,", "const struct abi_part *,"),
    "a_type_that_nobody_uses": abi("struct abi_hidden;", "struct abi_hidden;\nstruct abi_new { int a; };"),
    "a_function_that_nobody_uses": abi("struct abi_hidden;", "struct abi_hidden;\nint abi_unused(int a);"),
    "a_typedef_for_the_same_type": abi("    uint64_t size;", "    size_t size;")
    + [Change("abi.h", "#include <stdint.h>", "#include <stddef.h>\n#include <stdint.h>")],
    "another_name_of_a_typedef": [Change("abi.h", "    uint32_t id;", "    abi_id id;"),
                                  Change("abi.h", "struct abi_hidden;", "struct abi_hidden;\ntypedef uint32_t abi_id;")],
    "long_long_for_long": abi("    uint64_t size;", "    unsigned long long size;"),
    "a_parameter_is_const_itself": abi("uint32_t flags);", "const uint32_t flags);"),
    "a_constant_by_an_expression": abi("#define ABI_PARTS 4", "#define ABI_PARTS (2 + 2)"),
    "an_enumerator_by_an_expression": abi("ABI_BOTH = 3", "ABI_BOTH = ABI_READ | ABI_WRITE"),
    "an_attribute_of_a_function": abi("uint64_t hx_clock_now(", "__attribute__((cold)) uint64_t hx_clock_now("),
    "restrict": abi("struct abi_request *request, const", "struct abi_request *restrict request, const"),
    "an_enumerator_that_the_module_does_not_know": abi(", ABI_BOTH = 3", ""),
    "an_operation_that_the_module_does_not_know": [
        Change("demo.h", " \\\n    X(DEMO_LOCK_COUNT, lock_count, hx_err, (uint64_t lock, uint64_t ns), HX_OPERATION_READS)", "\n")],
}

# The headers are as they should be, the flags are not: the compiler says it.
WRONG_FLAGS = {
    "-fpack-struct": "struct abi_request.parts",
    "-fshort-enums": "enum hx_err: not 4 bytes",
    "-funsigned-char": "char: not signed",
    "-DABI_TRACE": "struct abi_request: not 112 bytes",
}


@pytest.fixture(name="base", scope="module")
def fixture_base(tmp_path_factory):
    return make_headers(tmp_path_factory.mktemp("base"), [])


@pytest.fixture(name="kernel", scope="module")
def fixture_kernel(base, tmp_path_factory):
    return Kernel(tmp_path_factory.mktemp("kernel"), base)


def module_with(folder, changes):
    headers = make_headers(folder, changes)
    return build_module(headers, headers)


@pytest.mark.parametrize("name", INCOMPATIBLE)
def test_what_does_not_fit_is_refused_by_name(name, kernel, tmp_path):
    changes, sentence = INCOMPATIBLE[name]
    module = module_with(tmp_path / "headers", changes)
    accepted, said = kernel.judge(module)
    assert not accepted and said.startswith(sentence)
    accepted, log = kernel.load(module)
    assert not accepted and said.rpartition(" (")[0] in log


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_makes_no_difference_is_accepted(name, kernel, tmp_path):
    module = module_with(tmp_path / "headers", NEUTRAL[name])
    accepted, said = kernel.judge(module)
    assert accepted, said
    accepted, log = kernel.load(module)
    assert accepted, log


@pytest.mark.parametrize("flag", WRONG_FLAGS)
def test_wrong_flags_are_an_error_of_the_compiler(flag, base, tmp_path):
    headers = make_headers(tmp_path / "headers", [])
    with pytest.raises(DoesNotBuild, match=WRONG_FLAGS[flag]):
        build_module(headers, base, flag.split())


def test_a_header_that_was_edited_is_an_error_of_the_compiler(base, tmp_path):
    headers = make_headers(tmp_path / "headers", abi("int32_t delta;", "int64_t delta;"))
    with pytest.raises(DoesNotBuild, match="struct abi_request.delta: not int32"):
        build_module(headers, base)


def test_the_corpus_is_as_large_as_it_claims():
    assert len(INCOMPATIBLE) >= 30 and len(NEUTRAL) >= 10
