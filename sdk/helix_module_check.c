/*
 * helix-module-check: says of a module file what the kernel that this SDK is of would say when it
 * is loaded. The kernel's own code answers; only memory and limits are not looked at.
 *
 * Exit status: 0 it would be loaded, 1 it would be refused, 2 wrong usage or no such file.
 */
#include <core/hot_reload/module_image.h>
#include <core/hot_reload/signature.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX (64UL << 20)

/* Where it could be loaded: image and imports within reach of each other, in the low 2 GiB. */
#define IMAGE_BASE   0x40000000UL
#define IMPORTS_BASE 0x42000000UL

enum status { WOULD_LOAD = 0, WOULD_REFUSE = 1, WRONG_USAGE = 2 };

struct bytes {
    uint8_t *data;
    size_t size;
};

/* All of a file; data is NULL if it cannot be read. */
static struct bytes read_file(const char *path)
{
    struct bytes bytes = {malloc(FILE_SIZE_MAX), 0};
    FILE *file = fopen(path, "rb");

    if (bytes.data == NULL || file == NULL) {
        free(bytes.data);
        bytes.data = NULL;
    } else {
        bytes.size = fread(bytes.data, 1, FILE_SIZE_MAX, file);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

static uintptr_t import_address(const void *context, const struct callout *callout)
{
    (void)context;
    return IMPORTS_BASE + callout->number * HAL_GATE_THUNK_SIZE;
}

static hx_err build_image(const struct module_binary *module, char why[MODULE_WHY_MAX])
{
    static struct module_tables tables;
    struct module_image image = {.file = module,
                                 .bytes = calloc(1, module->elf.image_size + 1),
                                 .base = IMAGE_BASE,
                                 .import_address = import_address};
    hx_err error = HX_ENOMEM;

    if (image.bytes != NULL) {
        error = module_image_build(&image, &tables, why);
    }
    free(image.bytes);
    return error;
}

/* --- what it needs ---------------------------------------------------------------------------- */

static void print_signature(const struct signatures *signatures, const char *name)
{
    struct signature_part checksum = signatures_checksum(signatures, name);

    printf("%s %.*s\n", name, (int)checksum.size, checksum.size > 0 ? checksum.bytes : "");
}

static void print_signatures(const struct module_binary *module)
{
    struct signatures ours = signatures_of_kernel();
    char category[80];

    (void)snprintf(category, sizeof(category), "category:%s", module->category->name);
    print_signature(&ours, category);
    print_signature(&ours, "descriptor");
    for (uint32_t i = 1; i < module->elf.symbols.count; i++) {
        struct elf_module_symbol symbol = elf_module_symbol(&module->elf, i);

        if (symbol.kind == ELF_SYMBOL_IMPORT) {
            print_signature(&ours, symbol.name);
        }
    }
}

/* --- the program ------------------------------------------------------------------------------ */

static enum status judge(const char *path, const struct bytes *bytes, bool with_signatures)
{
    static struct module_binary module;
    char why[MODULE_WHY_MAX] = "";
    hx_err error = module_check(bytes->data, bytes->size, &module, why);

    if (error == HX_OK) {
        error = build_image(&module, why);
    }
    if (error != HX_OK) {
        printf("%s: %s (%s)\n", path, why, hx_error_name(error));
        return WOULD_REFUSE;
    }
    printf("%s: %s %u.%u.%u of category %s, %llu bytes: would be loaded\n", path,
           module.descriptor.name, module.descriptor.version.major, module.descriptor.version.minor,
           module.descriptor.version.patch, module.category->name,
           (unsigned long long)module.elf.image_size);
    if (with_signatures) {
        print_signatures(&module);
    }
    return WOULD_LOAD;
}

int main(int argc, char **argv)
{
    bool with_signatures = argc == 3 && strcmp(argv[1], "--signatures") == 0;
    struct bytes bytes;
    enum status status;

    if (argc != 2 + with_signatures || argv[argc - 1][0] == '-') {
        fprintf(stderr, "usage: helix-module-check [--signatures] FILE\n");
        return WRONG_USAGE;
    }
    bytes = read_file(argv[argc - 1]);
    if (bytes.data == NULL) {
        fprintf(stderr, "helix-module-check: %s: cannot be read\n", argv[argc - 1]);
        return WRONG_USAGE;
    }
    status = judge(argv[argc - 1], &bytes, with_signatures);
    free(bytes.data);
    return (int)status;
}
