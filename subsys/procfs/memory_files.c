/* /proc/PID/maps, smaps, statm, cmdline, environ, exe: what is in a process's memory. */
#include <base/format.h>
#include <base/string.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/procfs/procfs_private.h>

#define NAME_COLUMN 73U /* where maps has the name */
#define CHUNK       256U
#define STRINGS_MAX (1U << 20) /* of cmdline and environ */

/* --- sums ------------------------------------------------------------------------------------- */

struct sums {
    struct memory_view *view;
    const struct vnode *program;
};

static bool add_mapping(const struct mapping_description *mapping, void *argument)
{
    const struct sums *sums = argument;
    const struct file *file = file_of_mapping(mapping->name);
    uint64_t size = mapping->end - mapping->start;

    if ((mapping->flags & MAPPING_GROWS_DOWN) != 0) {
        sums->view->stack += size;
    } else if ((mapping->flags & MAPPING_EXECUTE) != 0) {
        bool is_program = file != NULL && file->location.vnode == sums->program;

        *(is_program ? &sums->view->code : &sums->view->library) += size;
    } else if ((mapping->flags & (MAPPING_WRITE | MAPPING_SHARED)) == MAPPING_WRITE) {
        sums->view->data += size;
    }
    return true;
}

void procfs_memory_view(struct process *process, struct memory_view *view)
{
    struct address_space *space = procfs_space(process);
    struct location program;
    struct sums sums = {.view = view};

    *view = (struct memory_view){0};
    if (space == NULL) {
        return;
    }
    program = procfs_executable(process);
    sums.program = program.vnode;
    address_space_statistics(space, &view->statistics);
    address_space_for_each(space, add_mapping, &sums);
    location_put(&program);
    address_space_put(space);
}

hx_err procfs_show_memory(const struct pseudo_node *node, struct text *text)
{
    struct memory_view view;

    procfs_memory_view(procfs_process(node), &view);
    text_add(text, "%llu %llu %llu %llu 0 %llu 0\n",
             (unsigned long long)(view.statistics.mapped_bytes >> HAL_PAGE_SHIFT),
             (unsigned long long)view.statistics.resident_pages,
             (unsigned long long)view.statistics.shared_pages,
             (unsigned long long)(view.code >> HAL_PAGE_SHIFT),
             (unsigned long long)((view.data + view.stack) >> HAL_PAGE_SHIFT));
    return HX_OK;
}

/* --- mappings --------------------------------------------------------------------------------- */

/* A list of mappings being written. */
struct listing {
    struct text *text;
    char *name; /* PATH_SIZE_MAX bytes */
    uintptr_t break_start;
    uintptr_t break_end;
    bool is_long; /* smaps */
};

static void name_mapping(const struct listing *listing, const struct mapping_description *mapping)
{
    listing->name[0] = '\0';
    if (mapping->name != NULL) {
        mapping->name->text(mapping->name, listing->name, PATH_SIZE_MAX);
    } else if ((mapping->flags & MAPPING_GROWS_DOWN) != 0) {
        (void)string_copy(listing->name, PATH_SIZE_MAX, "[stack]");
    } else if (mapping->start < listing->break_end && mapping->end > listing->break_start) {
        (void)string_copy(listing->name, PATH_SIZE_MAX, "[heap]");
    }
}

static void add_line(const struct listing *listing, const struct mapping_description *mapping)
{
    const struct file *file = file_of_mapping(mapping->name);
    const struct vnode *vnode = file != NULL ? file->location.vnode : NULL;
    unsigned flags = mapping->flags;
    char line[NAME_COLUMN + CHUNK];
    size_t length = format_text(
        line, sizeof(line), "%08llx-%08llx %c%c%c%c %08llx 00:%02llx %llu",
        (unsigned long long)mapping->start, (unsigned long long)mapping->end,
        (flags & MAPPING_READ) != 0 ? 'r' : '-', (flags & MAPPING_WRITE) != 0 ? 'w' : '-',
        (flags & MAPPING_EXECUTE) != 0 ? 'x' : '-', (flags & MAPPING_SHARED) != 0 ? 's' : 'p',
        (unsigned long long)mapping->offset,
        (unsigned long long)(vnode != NULL ? vnode->file_system->device : 0),
        (unsigned long long)(vnode != NULL ? vnode->number : 0));

    name_mapping(listing, mapping);
    if (listing->name[0] == '\0') {
        text_add(listing->text, "%s \n", line);
    } else {
        text_add(listing->text, "%s%*s%s\n", line,
                 length < NAME_COLUMN ? (int)(NAME_COLUMN - length) : 1, "", listing->name);
    }
}

static void add_size(const struct listing *listing, const char *name, uint64_t bytes)
{
    text_add(listing->text, "%-16s%8llu kB\n", name, (unsigned long long)(bytes >> 10));
}

/* Resident pages count as the mapping's own, changed if it can be written. */
static void add_details(const struct listing *listing, const struct mapping_description *mapping)
{
    uint64_t resident = mapping->resident_pages << HAL_PAGE_SHIFT;
    bool is_shared = (mapping->flags & MAPPING_SHARED) != 0;
    bool is_changed = (mapping->flags & MAPPING_WRITE) != 0;

    add_size(listing, "Size:", mapping->end - mapping->start);
    add_size(listing, "KernelPageSize:", HAL_PAGE_SIZE);
    add_size(listing, "MMUPageSize:", HAL_PAGE_SIZE);
    add_size(listing, "Rss:", resident);
    add_size(listing, "Pss:", resident);
    add_size(listing, "Shared_Clean:", is_shared && !is_changed ? resident : 0);
    add_size(listing, "Shared_Dirty:", is_shared && is_changed ? resident : 0);
    add_size(listing, "Private_Clean:", !is_shared && !is_changed ? resident : 0);
    add_size(listing, "Private_Dirty:", !is_shared && is_changed ? resident : 0);
    add_size(listing, "Referenced:", resident);
    add_size(listing, "Anonymous:", mapping->name == NULL ? resident : 0);
    add_size(listing, "Swap:", 0);
}

static bool list_mapping(const struct mapping_description *mapping, void *argument)
{
    const struct listing *listing = argument;

    add_line(listing, mapping);
    if (listing->is_long) {
        add_details(listing, mapping);
    }
    return true;
}

static void list_space(struct address_space *space, struct listing *listing)
{
    struct address_space_statistics statistics;

    address_space_statistics(space, &statistics);
    listing->break_start = statistics.break_start;
    listing->break_end = statistics.break_end;
    address_space_for_each(space, list_mapping, listing);
}

static hx_err show_mappings(const struct pseudo_node *node, struct text *text, bool is_long)
{
    struct address_space *space = procfs_space(procfs_process(node));
    struct listing listing = {.text = text, .is_long = is_long};

    if (space == NULL) {
        return HX_OK;
    }
    listing.name = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    if (listing.name != NULL) {
        list_space(space, &listing);
    }
    address_space_put(space);
    heap_free(listing.name);
    return listing.name != NULL ? HX_OK : HX_ENOMEM;
}

hx_err procfs_show_maps(const struct pseudo_node *node, struct text *text)
{
    return show_mappings(node, text, false);
}

hx_err procfs_show_smaps(const struct pseudo_node *node, struct text *text)
{
    return show_mappings(node, text, true);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Bytes of the program's memory, as far as they are there. */
static void add_memory(struct text *text, struct address_space *space, uintptr_t start,
                       uintptr_t end)
{
    uintptr_t last = end - start < STRINGS_MAX ? end : start + STRINGS_MAX;
    hx_err error = HX_OK;

    while (start < last && error == HX_OK) {
        char bytes[CHUNK];
        size_t part = last - start < CHUNK ? last - start : CHUNK;
        size_t done;

        error = address_space_read(space, start, bytes, part, &done);
        text_add_bytes(text, bytes, done);
        start += part;
    }
}

static hx_err show_strings(const struct pseudo_node *node, struct text *text, bool is_environment)
{
    struct process_view view;
    hx_err error = procfs_view(node, &view);
    struct address_space *space = error == HX_OK ? procfs_space(procfs_process(node)) : NULL;

    if (space == NULL) {
        return error;
    }
    if (is_environment) {
        add_memory(text, space, view.environment_start, view.environment_end);
    } else {
        add_memory(text, space, view.arguments_start, view.arguments_end);
    }
    address_space_put(space);
    return HX_OK;
}

hx_err procfs_show_arguments(const struct pseudo_node *node, struct text *text)
{
    return show_strings(node, text, false);
}

hx_err procfs_show_environment(const struct pseudo_node *node, struct text *text)
{
    return show_strings(node, text, true);
}

/* --- the program ------------------------------------------------------------------------------ */

struct program_search {
    const struct vnode *program;
    struct text *text;
    bool is_found;
};

static bool is_program(const struct mapping_description *mapping, void *argument)
{
    struct program_search *search = argument;
    struct file *file = file_of_mapping(mapping->name);

    if (file != NULL && file->path != NULL && file->location.vnode == search->program) {
        text_add(search->text, "%s", file->path);
        search->is_found = true;
    }
    return !search->is_found;
}

/* A file does not know its name; the mappings of it know how it was opened. */
hx_err procfs_show_executable(const struct pseudo_node *node, struct text *text)
{
    struct process *process = procfs_process(node);
    struct address_space *space = procfs_space(process);
    struct program_search search = {.text = text};
    struct location program;

    if (space == NULL) {
        return HX_ENOENT;
    }
    program = procfs_executable(process);
    search.program = program.vnode;
    address_space_for_each(space, is_program, &search);
    location_put(&program);
    address_space_put(space);
    return search.is_found ? HX_OK : HX_ENOENT;
}
