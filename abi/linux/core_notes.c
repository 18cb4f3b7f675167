/*
 * Notes of a core file. Layouts: Linux's include/uapi/linux/elfcore.h (struct elf_prstatus,
 * elf_prpsinfo) and fs/binfmt_elf.c (NT_FILE), for 64-bit machines.
 */
#include <abi/linux/core_notes.h>
#include <base/elf64.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/memory.h>
#include <hal/signal.h>
#include <kern/heap.h>
#include <subsys/process/process.h>

enum note_type {
    NT_PRSTATUS = 1,
    NT_FPREGSET = 2,
    NT_PRPSINFO = 3,
    NT_AUXV = 6,
    NT_FILE = 0x46494c45,
    NT_SIGINFO = 0x53494749,
};

#define NOTE_NAME     "CORE"
#define NOTE_ALIGN    4U
#define NS_PER_MICRO  1000U
#define NS_PER_SECOND 1000000000ULL
#define ARGUMENTS_MAX 80U

struct time_value {
    uint64_t seconds, micros;
};

struct thread_note {
    int32_t signal, code, error;
    int16_t current_signal;
    uint16_t padding;
    uint64_t pending, blocked;
    uint32_t id, parent, group, session;
    struct time_value user, system, children_user, children_system;
    uint64_t registers[HAL_DUMP_WORDS];
    uint32_t has_floats;
    uint32_t padding_2;
};

struct process_note {
    char state, letter, is_zombie, nice;
    uint32_t padding;
    uint64_t flags;
    uint32_t user, group;
    uint32_t id, parent, process_group, session;
    char name[PROCESS_NAME_MAX];
    char arguments[ARGUMENTS_MAX];
};
_Static_assert(sizeof(struct thread_note) == 120 + HAL_DUMP_WORDS * 8, "struct elf_prstatus");
_Static_assert(sizeof(struct process_note) == 136, "struct elf_prpsinfo");

/* Ids of the process that all its threads' notes tell. */
struct relations {
    uint32_t parent, group, session;
};

/* --- bytes -------------------------------------------------------------------------------------
 */

static bool have_room(struct core_bytes *to, size_t size)
{
    size_t capacity = to->capacity > 0 ? to->capacity : HAL_PAGE_SIZE;
    char *bytes;

    while (capacity - to->size < size) {
        capacity *= 2;
    }
    if (capacity == to->capacity) {
        return true;
    }
    bytes = heap_allocate(capacity, OWNER_CORE);
    if (bytes == NULL) {
        to->is_out_of_memory = true;
        return false;
    }
    if (to->bytes != NULL) {
        memcpy(bytes, to->bytes, to->size);
        heap_free(to->bytes);
    }
    to->bytes = bytes;
    to->capacity = capacity;
    return true;
}

static void add_bytes(struct core_bytes *to, const void *bytes, size_t size)
{
    if (have_room(to, size)) {
        memcpy(to->bytes + to->size, bytes, size);
        to->size += size;
    }
}

static void pad(struct core_bytes *to)
{
    static const char zeros[NOTE_ALIGN];

    add_bytes(to, zeros, elf64_round_up(to->size, NOTE_ALIGN) - to->size);
}

static void begin_note(struct core_bytes *to, enum note_type type, size_t size)
{
    const uint32_t header[] = {sizeof(NOTE_NAME), (uint32_t)size, (uint32_t)type};

    add_bytes(to, header, sizeof(header));
    add_bytes(to, NOTE_NAME, sizeof(NOTE_NAME));
    pad(to);
}

static void add_note(struct core_bytes *to, enum note_type type, const void *bytes, size_t size)
{
    begin_note(to, type, size);
    add_bytes(to, bytes, size);
    pad(to);
}

/* --- the process --------------------------------------------------------------------------------
 */

static struct relations relations_of_caller(void)
{
    struct relations relations = {
        .parent = atomic_load_explicit(&process_current()->parent_id, memory_order_relaxed)};

    (void)!process_get_group(0, &relations.group, &relations.session);
    return relations;
}

/* The first of the arguments, with blanks between them. */
static void read_arguments(const struct process *process, char text[ARGUMENTS_MAX])
{
    size_t size = process->arguments_end - process->arguments_start;
    size_t done;

    size = size < ARGUMENTS_MAX - 1 ? size : ARGUMENTS_MAX - 1;
    (void)!address_space_read(process->space, process->arguments_start, text, size, &done);
    for (size_t i = 0; i < done; i++) {
        text[i] = text[i] != '\0' ? text[i] : ' ';
    }
}

static void add_process(struct core_bytes *to, const struct relations *relations)
{
    const struct process *process = process_current();
    struct process_note note = {
        .letter = 'R',
        .user = process->credentials.user,
        .group = process->credentials.group,
        .id = process->id,
        .parent = relations->parent,
        .process_group = relations->group,
        .session = relations->session,
    };

    memcpy(note.name, process->name, sizeof(note.name));
    read_arguments(process, note.arguments);
    add_note(to, NT_PRPSINFO, &note, sizeof(note));
}

static void add_signal(struct core_bytes *to, const struct hal_signal_info *info)
{
    char whole[HAL_SIGNAL_INFO_SIZE] = {0};

    memcpy(whole, info, sizeof(*info));
    add_note(to, NT_SIGINFO, whole, sizeof(whole));
}

/* As it is on the stack, where exec has put it. */
static void add_auxiliary(struct core_bytes *to)
{
    const struct process *process = process_current();
    size_t done;
    char *words = heap_allocate_zeroed(process->auxiliary_size, OWNER_CORE);

    if (words == NULL) {
        to->is_out_of_memory = true;
        return;
    }
    (void)!address_space_read(process->space, process->auxiliary_start, words,
                              process->auxiliary_size, &done);
    add_note(to, NT_AUXV, words, process->auxiliary_size);
    heap_free(words);
}

/* --- files --------------------------------------------------------------------------------------
 */

static void add_file_names(struct core_bytes *to, const struct core_mappings *mappings, char *name)
{
    for (size_t i = 0; i < mappings->count; i++) {
        if (mappings->all[i].file != NULL) {
            file_text(mappings->all[i].file, name, PATH_SIZE_MAX);
            add_bytes(to, name, string_length(name) + 1);
        }
    }
}

/* How many, the unit of offsets; for each start, end and offset; then the names. */
static void fill_files(struct core_bytes *to, const struct core_mappings *mappings, char *name)
{
    uint64_t words[3] = {0, HAL_PAGE_SIZE};

    for (size_t i = 0; i < mappings->count; i++) {
        words[0] += mappings->all[i].file != NULL ? 1U : 0U;
    }
    add_bytes(to, words, 2 * sizeof(words[0]));
    for (size_t i = 0; i < mappings->count; i++) {
        const struct core_mapping *mapping = &mappings->all[i];

        words[0] = mapping->start;
        words[1] = mapping->end;
        words[2] = mapping->offset / HAL_PAGE_SIZE;
        if (mapping->file != NULL) {
            add_bytes(to, words, sizeof(words));
        }
    }
    add_file_names(to, mappings, name);
}

static void add_files(struct core_bytes *to, const struct core_mappings *mappings)
{
    struct core_bytes files = {0};
    char *name = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);

    if (name != NULL) {
        fill_files(&files, mappings, name);
        add_note(to, NT_FILE, files.bytes, files.size);
    }
    to->is_out_of_memory |= name == NULL || files.is_out_of_memory;
    heap_free(files.bytes);
    heap_free(name);
}

/* --- threads ------------------------------------------------------------------------------------
 */

static void add_thread(struct core_bytes *to, const struct core_thread *thread,
                       const struct hal_signal_info *info, const struct relations *relations)
{
    struct thread_note note = {
        .signal = info->number,
        .current_signal = (int16_t)info->number,
        .pending = thread->pending,
        .blocked = thread->blocked,
        .id = thread->id,
        .parent = relations->parent,
        .group = relations->group,
        .session = relations->session,
        .user = {thread->time_ns / NS_PER_SECOND, thread->time_ns % NS_PER_SECOND / NS_PER_MICRO},
        .has_floats = 1,
    };

    memcpy(note.registers, thread->registers.words, sizeof(note.registers));
    add_note(to, NT_PRSTATUS, &note, sizeof(note));
}

static void add_floats(struct core_bytes *to, const struct core_thread *thread)
{
    add_note(to, NT_FPREGSET, thread->registers.floats, sizeof(thread->registers.floats));
}

/* A thread's notes follow its NT_PRSTATUS; the process's stand with the first thread. */
hx_err core_notes_make(const struct core_dump *dump, const struct core_mappings *mappings,
                       struct core_bytes *notes)
{
    const struct relations relations = relations_of_caller();

    *notes = (struct core_bytes){0};
    add_thread(notes, &dump->threads[0], dump->info, &relations);
    add_process(notes, &relations);
    add_signal(notes, dump->info);
    add_auxiliary(notes);
    add_files(notes, mappings);
    add_floats(notes, &dump->threads[0]);
    for (size_t i = 1; i < dump->thread_count; i++) {
        add_thread(notes, &dump->threads[i], dump->info, &relations);
        add_floats(notes, &dump->threads[i]);
    }
    if (notes->is_out_of_memory) {
        heap_free(notes->bytes);
        return HX_ENOMEM;
    }
    return HX_OK;
}
