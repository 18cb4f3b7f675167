/* What is said of module files: good ones, and a real one spoiled in every way. */
#include <base/elf64.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <tests/host/hot_reload/real_module.h>
#include <tests/host/random.h>

#include <cmocka.h>

struct spoiled {
    struct real_module good;
    uint8_t *bytes; /* a copy to change */
    char why[MODULE_WHY_MAX];
};

static int set_up(void **state)
{
    struct spoiled *spoiled = calloc(1, sizeof(*spoiled));

    assert_non_null(spoiled);
    spoiled->good = real_module_read();
    assert_non_null(spoiled->good.bytes);
    spoiled->bytes = malloc(spoiled->good.size);
    assert_non_null(spoiled->bytes);
    memcpy(spoiled->bytes, spoiled->good.bytes, spoiled->good.size);
    *state = spoiled;
    return 0;
}

static int tear_down(void **state)
{
    struct spoiled *spoiled = *state;

    free(spoiled->good.bytes);
    free(spoiled->bytes);
    free(spoiled);
    return 0;
}

/* The first place of some bytes in the file. */
static uint8_t *find(const struct spoiled *spoiled, const char *text, size_t size)
{
    for (size_t at = 0; at + size <= spoiled->good.size; at++) {
        if (memcmp(spoiled->bytes + at, text, size) == 0) {
            return spoiled->bytes + at;
        }
    }
    fail_msg("the module holds \"%s\"", text);
    return NULL;
}

/* Put other bytes of the same number in the place of the first ones like these. */
static void replace(const struct spoiled *spoiled, const char *old, const char *new)
{
    assert_int_equal(strlen(old), strlen(new));
    memcpy(find(spoiled, old, strlen(old)), new, strlen(new));
}

/* A module that was built when an export had another type has another checksum for it. */
static void spoil_checksum(const struct spoiled *spoiled, const char *name)
{
    uint8_t *digits = find(spoiled, name, strlen(name)) + strlen(name);

    digits[0] = digits[0] == '0' ? '1' : '0';
}

static void assert_refused(struct spoiled *spoiled, hx_err error, const char *why)
{
    hx_err answer = real_module_judge(spoiled->bytes, spoiled->good.size, spoiled->why);

    assert_string_equal(spoiled->why, why);
    assert_int_equal(answer, error);
}

/* Refused with one text changed; then the file is whole again. */
static void assert_refused_with(struct spoiled *spoiled, const char *old, const char *new,
                                hx_err error, const char *why)
{
    replace(spoiled, old, new);
    assert_refused(spoiled, error, why);
    memcpy(spoiled->bytes, spoiled->good.bytes, spoiled->good.size);
}

/* --- good ------------------------------------------------------------------------------------- */

/* SPEC: R3 */
static void a_module_of_this_tree_is_accepted(void **state)
{
    struct spoiled *spoiled = *state;

    assert_int_equal(real_module_judge(spoiled->bytes, spoiled->good.size, spoiled->why), HX_OK);
    assert_string_equal(spoiled->why, "");
}

/* --- made for something else ------------------------------------------------------------------ */

/* SPEC: R4 */
static void another_machine_or_interface_is_refused(void **state)
{
    struct spoiled *spoiled = *state;
    struct elf64_header *header = (struct elf64_header *)spoiled->bytes;

    header->machine = 183; /* AArch64 */
    assert_refused(spoiled, HX_EVERSION, "the module is for another machine");
    header->machine = ELF64_MACHINE_X86_64;
    find(spoiled, "HXMODULE", 8)[8] = HX_MODULE_ABI + 1;
    assert_refused(spoiled, HX_EVERSION, "built for another module interface: hx_module");
}

/* SPEC: R4 */
static void an_unknown_import_is_refused_by_name(void **state)
{
    struct spoiled *spoiled = *state;

    find(spoiled, "hx_log", sizeof("hx_log"))[5] = 'x';
    assert_refused(spoiled, HX_EIMPORT, "the kernel exports no such function: hx_lox");
}

/* SPEC: R4 */
static void an_import_of_another_type_is_refused_with_what_differs(void **state)
{
    struct spoiled *spoiled = *state;

    spoil_checksum(spoiled, "\nhx_log ");
    assert_refused_with(
        spoiled, "hx_log | returns: enum hx_err; parameter 1: const int8 *; parameter 2: uint64",
        "hx_log | returns: enum hx_err; parameter 1: const int8 *; parameter 2: uint32",
        HX_EVERSION, "hx_log: parameter 2: uint32, here uint64");
    spoil_checksum(spoiled, "\nhx_log ");
    assert_refused_with(spoiled, "; HX_ENOMEM: 2;", "; HX_ENOMEM: 4;", HX_EVERSION,
                        "hx_log: enum hx_err.HX_ENOMEM: 4, here 2");
    spoil_checksum(spoiled, "\ndescriptor ");
    assert_refused_with(
        spoiled, "; abi: uint32 at 8;", "; abi: uint16 at 8;", HX_EVERSION,
        "descriptor: struct hx_module_descriptor.abi: uint16 at 8, here uint32 at 8");
    spoil_checksum(spoiled, "\ncategory:demo ");
    assert_refused_with(
        spoiled, "; say: enum hx_err (*)(void) at 24", "; say: enum hx_err (*)(void) at 32",
        HX_EVERSION,
        "category:demo: struct hx_demo_operations.say: enum hx_err (*)(void) at 32, here "
        "enum hx_err (*)(void) at 24");
}

/* A type that the module does not use may have changed. */
static void an_import_that_is_not_used_may_differ(void **state)
{
    struct spoiled *spoiled = *state;

    spoil_checksum(spoiled, "\nhx_pages_free ");
    assert_int_equal(real_module_judge(spoiled->bytes, spoiled->good.size, spoiled->why), HX_OK);
}

/* --- signatures that are none ----------------------------------------------------------------- */

static void signatures_that_cannot_be_read_are_refused(void **state)
{
    struct spoiled *spoiled = *state;

    assert_refused_with(spoiled, ".helix.signatures", ".helix.signaturez", HX_EFORMAT,
                        "it has no signatures; build it with helix-module.mk: .helix.signatures");
    assert_refused_with(spoiled, "helix signatures 1", "helix singatures 1", HX_EFORMAT,
                        "its signatures cannot be read: .helix.signatures");
    assert_refused_with(spoiled, "helix signatures 1", "helix signatures 2", HX_EVERSION,
                        "its signatures cannot be read: .helix.signatures");
    assert_refused_with(spoiled, "\nhx_log ", "\nhx_lox ", HX_EFORMAT,
                        "hx_log: the module's signatures do not have it");
    spoil_checksum(spoiled, "\nhx_log ");
    assert_refused_with(spoiled, "hx_log | ", "hx_lox | ", HX_EFORMAT,
                        "hx_log: its signature is not described");
    spoil_checksum(spoiled, "\nhx_log ");
    assert_refused(spoiled, HX_EFORMAT, "hx_log: its checksum does not belong to its description");
}

/* Control characters of a file do not reach the log. */
static void what_a_sentence_quotes_is_printable(void **state)
{
    struct spoiled *spoiled = *state;

    find(spoiled, "hx_log", sizeof("hx_log"))[3] = '\033';
    assert_refused(spoiled, HX_EIMPORT, "the kernel exports no such function: hx_?og");
}

/* --- damage ----------------------------------------------------------------------------------- */

/* SPEC: R4 */
static void truncated_at_any_byte_it_is_refused(void **state)
{
    struct spoiled *spoiled = *state;

    for (size_t size = 0; size < spoiled->good.size; size++) {
        hx_err error = real_module_judge(spoiled->bytes, size, spoiled->why);

        assert_int_not_equal(error, HX_OK);
        assert_true(real_module_answer_is_good(error, spoiled->why));
    }
}

/* SPEC: R4 */
static void with_any_byte_changed_it_is_answered_well(void **state)
{
    struct spoiled *spoiled = *state;
    const uint8_t flips[] = {0x01, 0x80, 0xff};

    for (size_t at = 0; at < spoiled->good.size; at++) {
        for (size_t i = 0; i < sizeof(flips); i++) {
            hx_err error;

            spoiled->bytes[at] ^= flips[i];
            error = real_module_judge(spoiled->bytes, spoiled->good.size, spoiled->why);
            assert_true(real_module_answer_is_good(error, spoiled->why));
            spoiled->bytes[at] ^= flips[i];
        }
    }
}

/* Several bytes of the signatures at once, so that lines break, join and repeat. */
static void mutated_signatures_are_answered_well(void **state)
{
    struct spoiled *spoiled = *state;
    size_t first = (size_t)(find(spoiled, "helix signatures", 16) - spoiled->bytes);
    size_t size = (size_t)(find(spoiled, "enum hx_err | ", 14) - spoiled->bytes) - first + 2000;
    const char alphabet[] = "\n |:;, 01x";

    printf("# HELIX_SEED=%llu\n", (unsigned long long)random_start());
    for (unsigned round = 0; round < 20000; round++) {
        hx_err error;

        for (unsigned change = 0; change < 1 + round % 8; change++) {
            spoiled->bytes[first + random_below(size)] =
                (uint8_t)alphabet[random_below(sizeof(alphabet) - 1)];
        }
        error = real_module_judge(spoiled->bytes, spoiled->good.size, spoiled->why);
        assert_true(real_module_answer_is_good(error, spoiled->why));
        if (round % 8 == 7) {
            memcpy(spoiled->bytes, spoiled->good.bytes, spoiled->good.size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_module_of_this_tree_is_accepted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_machine_or_interface_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_import_is_refused_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_import_of_another_type_is_refused_with_what_differs,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_import_that_is_not_used_may_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signatures_that_cannot_be_read_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_sentence_quotes_is_printable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(truncated_at_any_byte_it_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(with_any_byte_changed_it_is_answered_well, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(mutated_signatures_are_answered_well, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
