/*
 * A module of this tree as bytes to spoil, and all that is asked of a file before it gets memory.
 */
#ifndef TESTS_HOST_HOT_RELOAD_REAL_MODULE_H
#define TESTS_HOST_HOT_RELOAD_REAL_MODULE_H

#include <core/hot_reload/module_image.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Relative to the tree, where tests are run. */
#define REAL_MODULE_PATH     "build/x86_64/modules/demo.hxm"
#define REAL_MODULE_SIZE_MAX (1UL << 20)

#define REAL_MODULE_BASE    0x40000000UL
#define REAL_MODULE_IMPORTS 0x42000000UL

struct real_module {
    uint8_t *bytes; /* NULL: it could not be read */
    size_t size;
};

static inline struct real_module real_module_read(void)
{
    struct real_module module = {malloc(REAL_MODULE_SIZE_MAX), 0};
    FILE *file = fopen(REAL_MODULE_PATH, "rb");

    if (file == NULL || module.bytes == NULL) {
        fprintf(stderr, "# %s: cannot be read; make modules builds it\n", REAL_MODULE_PATH);
        free(module.bytes);
        return (struct real_module){NULL, 0};
    }
    module.size = fread(module.bytes, 1, REAL_MODULE_SIZE_MAX, file);
    (void)fclose(file);
    return module;
}

static inline uintptr_t real_module_import(const void *context, const struct callout *callout)
{
    (void)context;
    return REAL_MODULE_IMPORTS + callout->number;
}

/* Build the image of a file that has passed. */
static inline hx_err real_module_build(const struct module_binary *binary, char *why)
{
    struct module_tables tables;
    struct module_image image = {.file = binary,
                                 .bytes = calloc(1, binary->elf.image_size + 1),
                                 .base = REAL_MODULE_BASE,
                                 .import_address = real_module_import};
    hx_err error = image.bytes == NULL ? HX_ENOMEM : module_image_build(&image, &tables, why);

    free(image.bytes);
    return error;
}

/* Check and build from a copy that is exactly as long as the file: to read past it is a fault. */
static inline hx_err real_module_judge(const uint8_t *bytes, size_t size, char why[MODULE_WHY_MAX])
{
    static struct module_binary binary;
    uint8_t *copy = malloc(size != 0 ? size : 1);
    hx_err error = HX_ENOMEM;

    why[0] = '\0';
    if (copy != NULL) {
        memcpy(copy, bytes, size);
        error = module_check(copy, size, &binary, why);
    }
    if (error == HX_OK) {
        error = real_module_build(&binary, why);
    }
    free(copy);
    return error;
}

/* A refusal says why, in one sentence of printable characters; what passes says nothing. */
static inline bool real_module_answer_is_good(hx_err error, const char *why)
{
    if ((error == HX_OK) != (why[0] == '\0')) {
        return false;
    }
    while (*why >= ' ' && *why <= '~') {
        why++;
    }
    return *why == '\0';
}

#endif
