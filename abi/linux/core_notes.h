/* The notes of a core file. Between core_file.c and core_notes.c. */
#ifndef ABI_LINUX_CORE_NOTES_H
#define ABI_LINUX_CORE_NOTES_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/process/core_dump.h>

/* A mapping of the process as it is when the dump begins. */
struct core_mapping {
    uintptr_t start, end;
    unsigned flags;     /* enum mapping_flags */
    uint64_t offset;    /* in what it shows */
    struct file *file;  /* with a reference; NULL: no file's */
    bool is_of_system;  /* the kernel's own: the vDSO, and what it reads */
    uint64_t file_size; /* bytes that go into the core file */
};

struct core_mappings {
    struct core_mapping *all;
    size_t count;
    size_t capacity;
};

/* Bytes that grow. */
struct core_bytes {
    char *bytes;
    size_t size;
    size_t capacity;
    bool is_out_of_memory;
};

/* All notes of a dump, to be freed with heap_free(notes->bytes).  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err core_notes_make(const struct core_dump *dump,
                                   const struct core_mappings *mappings, struct core_bytes *notes);

#endif
