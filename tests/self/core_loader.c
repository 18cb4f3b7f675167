/* Module files: loaded into memory of the right kind, or refused with a sentence and nothing
 * changed. */
#include <base/memory.h>
#include <base/string.h>
#include <core/config/initrd.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/gate.h>
#include <core/hot_reload/loader.h>
#include <hal/memory.h>
#include <helix/demo.h>
#include <kern/heap.h>
#include <subsys/modules/modules.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_loader." #function, function
#define DEMO_FILE      "lib/modules/demo.hxm"

/* A copy of the demo module's file, to be spoiled; false (and a failed test) without. */
struct file {
    char *bytes;
    size_t size;
};

static bool copy_demo(struct file *file)
{
    const char *why;
    struct cpio_entry entry;

    if (initrd_find(DEMO_FILE, &entry, &why) == HX_OK) {
        file->size = entry.size;
        file->bytes = heap_allocate(entry.size, OWNER_CORE);
        if (file->bytes != NULL) {
            memcpy(file->bytes, entry.data, entry.size);
            return true;
        }
    }
    selftest_fail(__FILE__, __LINE__, "there is no copy of the demo module");
    return false;
}

static char *find(const struct file *file, const char *text, size_t size)
{
    for (size_t at = 0; at + size <= file->size; at++) {
        if (memcmp(file->bytes + at, text, size) == 0) {
            return file->bytes + at;
        }
    }
    selftest_fail(__FILE__, __LINE__, "the module has no %s", text);
    return file->bytes;
}

static bool has_user_gate(void)
{
    return hal_user_module_window().size != 0;
}

/* Load and unload; why is that of a refusal. */
static hx_err try(const struct file *file, size_t size, enum hal_gate_backend backend,
                  char why[LOADER_WHY_MAX])
{
    struct module_instance *instance;
    hx_err error = loader_load(file->bytes, size, backend, &instance, why);

    if (error == HX_OK) {
        EXPECT(string_equal(instance->name, "demo"));
        loader_unload(instance);
    }
    return error;
}

/* --- loaded ----------------------------------------------------------------------------------- */

/* SPEC: R3 */
static void a_module_file_is_loaded_from_any_memory(void)
{
    char why[LOADER_WHY_MAX];
    struct file file;

    if (copy_demo(&file)) {
        EXPECT_EQUAL(try(&file, file.size, HAL_GATE_OPEN, why), HX_OK);
        EXPECT_EQUAL(try(&file, file.size, HAL_GATE_USER, why),
                     has_user_gate() ? HX_OK : HX_ENOSYS);
        heap_free(file.bytes);
    }
}

static struct slot *fresh_demo(enum hal_gate_backend backend)
{
    struct slot *slot = slot_find("demo");

    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, backend) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "the demo module cannot be loaded");
        return NULL;
    }
    return slot;
}

/* Make a fresh instance do something to an address so many pages behind the start of its text. */
static void expect_death(enum hal_gate_backend backend, uint32_t operation, size_t page)
{
    struct slot *slot = fresh_demo(backend);

    if (slot != NULL) {
        uint64_t address = slot_instance(slot)->text.base + page * HAL_PAGE_SIZE;

        EXPECT_EQUAL(gate_call(slot, operation, address, 0, 0, 0).error, HX_EDIED);
    }
}

/* The text comes first in the image; what follows it are data of all kinds. */
static void check_protection(enum hal_gate_backend backend)
{
    expect_death(backend, DEMO_WILD_WRITE, 0);
    for (size_t page = 1; page <= 3; page++) {
        expect_death(backend, DEMO_WILD_JUMP, page);
    }
    (void)fresh_demo(backend);
}

/* SPEC: R3 */
static void no_memory_of_a_module_is_writable_and_executable(void)
{
    check_protection(HAL_GATE_OPEN);
    if (has_user_gate()) {
        check_protection(HAL_GATE_USER);
    }
}

/* --- refused ---------------------------------------------------------------------------------- */

/* What was changed in a file: some bytes, and perhaps the checksum of an export before. */
struct spoiling {
    const char *export; /* "\nNAME " of the index, NULL: none */
    const char *old;
    const char *new;
    size_t size; /* 0: that of the texts without their NUL */
    hx_err error;
    const char *why;
};

static const struct spoiling spoilings[] = {
    {NULL, "\177ELF", "\177ELG", 0, HX_EFORMAT, "not a 64-bit little-endian ELF file"},
    {NULL, "\1\0\76", "\1\0\267", 4, HX_EVERSION, "the module is for another machine"},
    {NULL, "HXMODULE\2", "HXMODULE\1", 0, HX_EVERSION,
     "built for another module interface: hx_module"},
    {NULL, "HXMODULE", "HXMODULF", 0, HX_EFORMAT, "the descriptor is malformed: hx_module"},
    {NULL, "hx_log", "hx_lox", sizeof("hx_log"), HX_EIMPORT,
     "the kernel exports no such function: hx_lox"},
    {NULL, ".helix.signatures", ".helix.signaturez", 0, HX_EFORMAT,
     "it has no signatures; build it with helix-module.mk: .helix.signatures"},
    {"\nhx_log ", "hx_log | returns: enum hx_err; parameter 1: const int8 *; parameter 2: uint64",
     "hx_log | returns: enum hx_err; parameter 1: const int8 *; parameter 2: uint32", 0,
     HX_EVERSION, "hx_log: parameter 2: uint32, here uint64"},
    {"\ndescriptor ", "; abi: uint32 at 8;", "; abi: uint32 at 4;", 0, HX_EVERSION,
     "descriptor: struct hx_module_descriptor.abi: uint32 at 4, here uint32 at 8"},
    {"\ncategory:demo ", "category:demo | number: 1;", "category:demo | number: 9;", 0, HX_EVERSION,
     "category:demo: number: 9, here 1"},
};

static void spoil(const struct file *file, const struct spoiling *spoiling)
{
    size_t size = spoiling->size != 0 ? spoiling->size : string_length(spoiling->old);

    if (spoiling->export != NULL) {
        size_t length = string_length(spoiling->export);
        char *digit = find(file, spoiling->export, length) + length;

        *digit = *digit == '0' ? '1' : '0';
    }
    memcpy(find(file, spoiling->old, size), spoiling->new, size);
}

/* SPEC: R4 */
static void a_module_that_was_made_for_another_kernel_is_refused_with_what_differs(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(spoilings); i++) {
        char why[LOADER_WHY_MAX];
        struct file file;

        if (!copy_demo(&file)) {
            return;
        }
        spoil(&file, &spoilings[i]);
        EXPECT_EQUAL(try(&file, file.size, HAL_GATE_OPEN, why), spoilings[i].error);
        if (!string_equal(why, spoilings[i].why)) {
            selftest_fail(__FILE__, __LINE__, "\"%s\", wanted \"%s\"", why, spoilings[i].why);
        }
        heap_free(file.bytes);
    }
}

/* SPEC: R4 */
static void a_truncated_module_is_refused(void)
{
    size_t step = command_line_has(kernel_command_line(), "soak") ? 1 : 61;
    char why[LOADER_WHY_MAX];
    struct file file;

    if (!copy_demo(&file)) {
        return;
    }
    for (size_t size = 0; size < file.size; size += step) {
        EXPECT(try(&file, size, HAL_GATE_USER, why) != HX_OK && why[0] != '\0');
    }
    heap_free(file.bytes);
}

const struct selftest core_loader_tests[] = {
    {TEST(a_module_file_is_loaded_from_any_memory), 0},
    {TEST(no_memory_of_a_module_is_writable_and_executable), 0},
    {TEST(a_module_that_was_made_for_another_kernel_is_refused_with_what_differs), 0},
    {TEST(a_truncated_module_is_refused), 0},
    {NULL, NULL, 0},
};
