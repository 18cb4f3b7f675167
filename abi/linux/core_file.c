#include <abi/linux/core_file.h>
#include <abi/linux/core_notes.h>
#include <base/elf64.h>
#include <base/memory.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/process/process.h>

#define ELF_TYPE_CORE    4U
#define ELF_SEGMENT_NOTE 4U
#define SPARE_MAPPINGS   16U
/* Where a program header's count has no room for the number, there is a section; not here. */
#define SEGMENTS_MAX 0xfffeU

/* --- mappings -----------------------------------------------------------------------------------
 */

static bool count_one(const struct mapping_description *mapping, void *argument)
{
    (void)mapping;
    ++*(size_t *)argument;
    return true;
}

static bool note_one(const struct mapping_description *mapping, void *argument)
{
    struct core_mappings *mappings = argument;
    struct file *file = file_of_mapping(mapping->name);

    if (mappings->count == mappings->capacity) {
        return false;
    }
    mappings->all[mappings->count++] = (struct core_mapping){
        .start = mapping->start,
        .end = mapping->end,
        .flags = mapping->flags,
        .offset = mapping->offset,
        .file = file != NULL ? file_get(file) : NULL,
        .is_of_system = file == NULL && mapping->name != NULL,
    };
    return true;
}

static hx_err note_mappings(struct address_space *space, struct core_mappings *mappings)
{
    size_t count = SPARE_MAPPINGS;

    address_space_for_each(space, count_one, &count);
    count = count < SEGMENTS_MAX ? count : SEGMENTS_MAX;
    *mappings = (struct core_mappings){.capacity = count};
    mappings->all = heap_allocate_zeroed(count * sizeof(mappings->all[0]), OWNER_CORE);
    if (mappings->all == NULL) {
        return HX_ENOMEM;
    }
    address_space_for_each(space, note_one, mappings);
    return HX_OK;
}

static void forget_mappings(struct core_mappings *mappings)
{
    for (size_t i = 0; i < mappings->count; i++) {
        file_put(mappings->all[i].file);
    }
    heap_free(mappings->all);
}

/* The beginning of a program or a library. */
static bool begins_program(const struct core_mapping *mapping)
{
    const struct vnode *vnode = mapping->file->location.vnode;

    return mapping->offset == 0 && (mapping->flags & MAPPING_READ) != 0 && vnode != NULL &&
           (vnode->mode & 0111) != 0;
}

static uint64_t size_in_file(struct address_space *space, const struct core_mapping *mapping)
{
    uint64_t whole = mapping->end - mapping->start;

    if (mapping->is_of_system) {
        return (mapping->flags & MAPPING_EXECUTE) != 0 ? whole : 0;
    }
    if (mapping->file == NULL) {
        return whole;
    }
    if ((mapping->flags & MAPPING_SHARED) == 0 &&
        address_space_has_own_pages(space, mapping->start, mapping->end)) {
        return whole;
    }
    return begins_program(mapping) ? HAL_PAGE_SIZE : 0;
}

/* --- writing ------------------------------------------------------------------------------------
 */

struct core_writing {
    const struct core_dump *dump;
    uint64_t position;
    uint64_t written; /* the end of what is really in the file */
};

/* What lies behind the limit is left out.  Errors: HX_ELIMIT nothing lies before it. */
static hx_err put(struct core_writing *to, const void *bytes, size_t size)
{
    uint64_t room = to->dump->limit > to->position ? to->dump->limit - to->position : 0;
    struct transfer transfer;
    size_t done = 0;
    hx_err error;

    if (room == 0) {
        return HX_ELIMIT;
    }
    transfer_init_kernel(&transfer, (void *)(uintptr_t)bytes, size < room ? size : (size_t)room);
    error = file_write_at(to->dump->file, &transfer, to->position, &done);
    to->position += size;
    to->written = to->position;
    return error == HX_OK && core_dump_is_over() ? HX_EINTR : error;
}

static void skip_to(struct core_writing *to, uint64_t position)
{
    to->position = position;
}

/* A file's last bytes may be a hole. */
static hx_err finish(const struct core_writing *to)
{
    return to->position > to->written && to->position <= to->dump->limit
               ? file_resize(to->dump->file, to->position)
               : HX_OK;
}

/* What is not there has never been touched, and reads as zeros; of files, it is in the file. */
static hx_err read_page(struct address_space *space, const struct core_mapping *mapping,
                        uintptr_t address, void *page)
{
    size_t done;

    if (address_space_peek(space, address, page) == HX_OK) {
        return HX_OK;
    }
    return mapping->file != NULL &&
                   address_space_read(space, address, page, HAL_PAGE_SIZE, &done) == HX_OK
               ? HX_OK
               : HX_ENOENT;
}

static hx_err put_mapping(struct core_writing *to, const struct core_mapping *mapping, void *page)
{
    struct address_space *space = process_current()->space;
    hx_err error = HX_OK;

    for (uint64_t at = 0; at < mapping->file_size && error == HX_OK; at += HAL_PAGE_SIZE) {
        if (read_page(space, mapping, mapping->start + at, page) == HX_OK) {
            error = put(to, page, HAL_PAGE_SIZE);
        } else {
            skip_to(to, to->position + HAL_PAGE_SIZE);
        }
    }
    return error;
}

/* --- headers ------------------------------------------------------------------------------------
 */

static hx_err put_header(struct core_writing *to, size_t segments)
{
    struct elf64_header header = {
        .type = ELF_TYPE_CORE,
        .machine = ELF64_MACHINE_X86_64,
        .version = ELF64_VERSION_CURRENT,
        .program_offset = sizeof(header),
        .header_size = sizeof(header),
        .program_entry_size = sizeof(struct elf64_segment),
        .program_count = (uint16_t)segments,
    };

    memcpy(header.ident, ELF64_MAGIC, ELF64_MAGIC_SIZE);
    header.ident[ELF64_IDENT_CLASS] = ELF64_CLASS_64;
    header.ident[ELF64_IDENT_DATA] = ELF64_DATA_LITTLE;
    header.ident[ELF64_IDENT_VERSION] = ELF64_VERSION_CURRENT;
    return put(to, &header, sizeof(header));
}

static uint32_t segment_flags(unsigned flags)
{
    return ((flags & MAPPING_READ) != 0 ? ELF64_SEGMENT_READ : 0U) |
           ((flags & MAPPING_WRITE) != 0 ? ELF64_SEGMENT_WRITE : 0U) |
           ((flags & MAPPING_EXECUTE) != 0 ? ELF64_SEGMENT_EXECUTE : 0U);
}

static hx_err put_segments(struct core_writing *to, const struct core_mappings *mappings,
                           uint64_t notes_at, size_t notes_size, uint64_t contents_at)
{
    struct elf64_segment segment = {.type = ELF_SEGMENT_NOTE,
                                    .offset = notes_at,
                                    .file_size = notes_size,
                                    .alignment = sizeof(uint32_t)};
    hx_err error = put(to, &segment, sizeof(segment));

    for (size_t i = 0; i < mappings->count && error == HX_OK; i++) {
        const struct core_mapping *mapping = &mappings->all[i];

        segment = (struct elf64_segment){
            .type = ELF64_SEGMENT_LOAD,
            .flags = segment_flags(mapping->flags),
            .offset = contents_at,
            .address = mapping->start,
            .file_size = mapping->file_size,
            .memory_size = mapping->end - mapping->start,
            .alignment = HAL_PAGE_SIZE,
        };
        contents_at += mapping->file_size;
        error = put(to, &segment, sizeof(segment));
    }
    return error;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static hx_err put_contents(struct core_writing *to, const struct core_mappings *mappings)
{
    void *page = heap_allocate(HAL_PAGE_SIZE, OWNER_CORE);
    hx_err error = page != NULL ? HX_OK : HX_ENOMEM;

    for (size_t i = 0; i < mappings->count && error == HX_OK; i++) {
        error = put_mapping(to, &mappings->all[i], page);
    }
    heap_free(page);
    return error == HX_OK ? finish(to) : error;
}

static hx_err put_all(const struct core_dump *dump, const struct core_mappings *mappings,
                      const struct core_bytes *notes)
{
    struct core_writing to = {.dump = dump};
    size_t segments = mappings->count + 1;
    uint64_t notes_at = sizeof(struct elf64_header) + segments * sizeof(struct elf64_segment);
    uint64_t contents_at = elf64_round_up(notes_at + notes->size, HAL_PAGE_SIZE);
    hx_err error = put_header(&to, segments);

    if (error == HX_OK) {
        error = put_segments(&to, mappings, notes_at, notes->size, contents_at);
    }
    if (error == HX_OK) {
        error = put(&to, notes->bytes, notes->size);
    }
    skip_to(&to, contents_at);
    return error == HX_OK ? put_contents(&to, mappings) : error;
}

hx_err linux_core_write(const struct core_dump *dump)
{
    struct address_space *space = process_current()->space;
    struct core_mappings mappings;
    struct core_bytes notes;
    hx_err error = note_mappings(space, &mappings);

    if (error != HX_OK) {
        return error;
    }
    for (size_t i = 0; i < mappings.count; i++) {
        mappings.all[i].file_size = size_in_file(space, &mappings.all[i]);
    }
    error = core_notes_make(dump, &mappings, &notes);
    if (error == HX_OK) {
        error = put_all(dump, &mappings, &notes);
        heap_free(notes.bytes);
    }
    forget_mappings(&mappings);
    return error;
}
