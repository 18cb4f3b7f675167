#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/hot_reload/module_check.h>
#include <core/hot_reload/signature.h>
#include <hal/relocate.h>

#define DESCRIPTOR_SYMBOL "hx_module"
#define CATEGORY_NAME_MAX 64
#define CALLOUT_WORDS     4 /* of 64 marks each */

#define ONE_MORE(number, name, handler, effects) +1
_Static_assert(CALLOUT_LIST(ONE_MORE) < CALLOUT_WORDS * 64, "there is a mark for each callout");
#undef ONE_MORE

/* What a file says stands in sentences for people: whatever it is, it becomes readable there. */
static void make_printable(char why[MODULE_WHY_MAX])
{
    for (size_t i = 0; i < MODULE_WHY_MAX && why[i] != '\0'; i++) {
        if (why[i] < ' ' || why[i] > '~') {
            why[i] = '?';
        }
    }
}

hx_err module_complain(char why[MODULE_WHY_MAX], hx_err error, const char *what, const char *name)
{
    (void)format_text(why, MODULE_WHY_MAX, "%s%s%s", what, name[0] != '\0' ? ": " : "", name);
    make_printable(why);
    return error;
}

/* --- the descriptor --------------------------------------------------------------------------- */

/* Copy the descriptor out of the file. */
static hx_err take_descriptor(struct module_binary *module, char *why)
{
    struct elf_module_symbol symbol;

    if (elf_module_find(&module->elf, DESCRIPTOR_SYMBOL, &symbol) != HX_OK) {
        return module_complain(why, HX_EFORMAT, "there is no descriptor", DESCRIPTOR_SYMBOL);
    }
    for (uint32_t i = 0; i < module->elf.section_count; i++) {
        const struct elf_module_section *section = &module->elf.sections[i];
        uint64_t offset = symbol.value - section->offset;

        if (section->bytes != NULL && offset < section->size &&
            sizeof(module->descriptor) <= section->size - offset) {
            memcpy(&module->descriptor, section->bytes + offset, sizeof(module->descriptor));
            module->descriptor_offset = symbol.value;
            return HX_OK;
        }
    }
    return module_complain(why, HX_EFORMAT, "there is no descriptor", DESCRIPTOR_SYMBOL);
}

static hx_err check_texts(const struct hx_module_descriptor *descriptor, char *why)
{
    if (descriptor->name[0] == '\0' || !string_ends_within(descriptor->name, HX_MODULE_NAME_MAX)) {
        return module_complain(why, HX_EFORMAT, "the descriptor's name is malformed",
                               DESCRIPTOR_SYMBOL);
    }
    if (!string_ends_within(descriptor->state_kind, HX_STATE_KIND_MAX)) {
        return module_complain(why, HX_EFORMAT, "the descriptor's kind of state is malformed",
                               DESCRIPTOR_SYMBOL);
    }
    return HX_OK;
}

static hx_err check_descriptor(struct module_binary *module, char *why)
{
    const struct hx_module_descriptor *descriptor = &module->descriptor;

    if (descriptor->magic != HX_MODULE_MAGIC) {
        return module_complain(why, HX_EFORMAT, "the descriptor is malformed", DESCRIPTOR_SYMBOL);
    }
    if (descriptor->abi != HX_MODULE_ABI) {
        return module_complain(why, HX_EVERSION, "built for another module interface",
                               DESCRIPTOR_SYMBOL);
    }
    if (descriptor->size < sizeof(*descriptor)) {
        return module_complain(why, HX_EFORMAT, "the descriptor is malformed", DESCRIPTOR_SYMBOL);
    }
    if (descriptor->heap_pages > HX_MODULE_HEAP_MAX) {
        return module_complain(why, HX_ERANGE, "it asks for too large a heap", DESCRIPTOR_SYMBOL);
    }
    module->category = category_find(descriptor->category);
    if (module->category == NULL) {
        return module_complain(why, HX_EVERSION, "no such category of modules is known here", "");
    }
    return check_texts(descriptor, why);
}

/* --- what it shares with the kernel ----------------------------------------------------------- */

/* The two sides' signatures, and what of them was compared already. */
struct agreement {
    const struct module_binary *module;
    struct signatures theirs;
    struct signatures ours;
    bool is_same_kernel; /* every checksum is equal */
    uint64_t checked[CALLOUT_WORDS];
    char *why;
};

static hx_err read_signatures(struct agreement *agreement)
{
    const uint8_t *bytes;
    size_t size;
    hx_err error =
        elf_module_find_section(&agreement->module->elf, SIGNATURE_SECTION, &bytes, &size);

    if (error != HX_OK) {
        return module_complain(agreement->why, HX_EFORMAT,
                               "it has no signatures; build it with helix-module.mk",
                               SIGNATURE_SECTION);
    }
    error = signatures_read((const char *)bytes, size, &agreement->theirs);
    if (error != HX_OK) {
        return module_complain(agreement->why, error, "its signatures cannot be read",
                               SIGNATURE_SECTION);
    }
    agreement->ours = signatures_of_kernel();
    agreement->is_same_kernel = signatures_are_equal(&agreement->theirs, &agreement->ours);
    return HX_OK;
}

static hx_err check_signature(const struct agreement *agreement, const char *name)
{
    struct text why;
    hx_err error;

    if (agreement->is_same_kernel) {
        return HX_OK;
    }
    why = text_into(agreement->why, MODULE_WHY_MAX);
    error = signatures_compare(&agreement->theirs, &agreement->ours, name, &why);
    make_printable(agreement->why);
    return error;
}

/* Each once, however often a file names it. */
static hx_err check_callout(struct agreement *agreement, const struct callout *callout)
{
    uint64_t *word = &agreement->checked[callout->number / 64];
    uint64_t mark = 1ULL << callout->number % 64;

    if ((*word & mark) != 0) {
        return HX_OK;
    }
    *word |= mark;
    return check_signature(agreement, callout->name);
}

static hx_err check_import(struct agreement *agreement, const struct elf_module_symbol *symbol)
{
    struct callout callout;
    hx_err error = callout_find(symbol->name, &callout);

    if (error == HX_OK) {
        return check_callout(agreement, &callout);
    }
    return symbol->is_weak ? HX_OK
                           : module_complain(agreement->why, error,
                                             "the kernel exports no such function", symbol->name);
}

static hx_err check_imports(struct agreement *agreement)
{
    const struct elf_module *elf = &agreement->module->elf;
    hx_err error = HX_OK;

    for (uint32_t i = 1; error == HX_OK && i < elf->symbols.count; i++) {
        uint64_t value;

        if (elf_module_symbol_value(elf, i, &value) == ELF_SYMBOL_IMPORT) {
            struct elf_module_symbol symbol = elf_module_symbol(elf, i);

            error = check_import(agreement, &symbol);
        }
    }
    return error;
}

static hx_err check_category(const struct agreement *agreement)
{
    char name[CATEGORY_NAME_MAX];

    (void)format_text(name, sizeof(name), "category:%s", agreement->module->category->name);
    return check_signature(agreement, name);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What the descriptor means is known only once both sides have the same type for it. */
static hx_err read_descriptor(struct module_binary *module, struct agreement *agreement)
{
    hx_err error = read_signatures(agreement);

    if (error == HX_OK) {
        error = check_signature(agreement, "descriptor");
    }
    if (error == HX_OK) {
        error = take_descriptor(module, agreement->why);
    }
    return error == HX_OK ? check_descriptor(module, agreement->why) : error;
}

static hx_err identify(const void *file, size_t size, struct module_binary *module,
                       struct agreement *agreement)
{
    const char *sentence = "";
    hx_err error = elf_module_read(file, size, hal_relocation_machine(), &module->elf, &sentence);

    agreement->why[0] = '\0';
    return error != HX_OK ? module_complain(agreement->why, error, sentence, "")
                          : read_descriptor(module, agreement);
}

hx_err module_identify(const void *file, size_t size, struct module_binary *module,
                       char why[MODULE_WHY_MAX])
{
    struct agreement agreement = {.module = module, .why = why};

    return identify(file, size, module, &agreement);
}

hx_err module_check(const void *file, size_t size, struct module_binary *module,
                    char why[MODULE_WHY_MAX])
{
    struct agreement agreement = {.module = module, .why = why};
    hx_err error = identify(file, size, module, &agreement);

    if (error == HX_OK) {
        error = check_category(&agreement);
    }
    return error == HX_OK ? check_imports(&agreement) : error;
}
