#include <abi/linux/call.h>
#include <abi/linux/elf_program.h>
#include <abi/linux/exec.h>
#include <abi/linux/exec_strings.h>
#include <abi/linux/initial_stack.h>
#include <abi/linux/vdso.h>
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <hal/memory.h>
#include <hal/relocate.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <kern/spare.h>
#include <subsys/process/authority.h>
#include <subsys/vm/memory_object.h>

#define HEAD_SIZE        1024U            /* of the file, looked at to tell what it is */
#define ELF_HEADER_SIZE  64U              /* less than that is no interpreter at all */
#define SCRIPTS_MAX      4U               /* interpreters that are scripts themselves */
#define DYNAMIC_BASE     0x400000000UL    /* where a static position-independent program goes */
#define INTERPRETED_BASE 0x555555554000UL /* one with an interpreter: there, as on Linux */
#define STACK_FIRST_SIZE (128UL * 1024UL)
#define STACK_GAP        (HAL_PAGE_SIZE) /* never mapped, behind the stack */

/* A program on its way. */
struct execution {
    struct exec_strings *strings;
    struct file *file;
    struct elf_program program;
    struct file *interpreter_file; /* NULL: the program needs none */
    struct elf_program interpreter;
    struct address_space *space;
    uintptr_t stack_top;
    uintptr_t vdso;
    /* Not cleared when it is made. */
    char name[PATH_SIZE_MAX]; /* AT_EXECFN */
    char interpreter_name[ELF_PROGRAM_PATH_MAX];
    char head[HEAD_SIZE + 1];
    size_t head_size; /* of the program, then of its interpreter */
};

static struct spare spare_execution;

/* --- the file ----------------------------------------------------------------------------------
 */

static hx_err check_executable(const struct location *location)
{
    const struct vnode *vnode = location->vnode;

    if (vnode->type != VNODE_FILE || vnode->contents == NULL ||
        (location->mount->flags & MOUNT_NO_EXECUTE) != 0) {
        return HX_EACCES;
    }
    return vnode_may(vnode, &process_current()->credentials, ACCESS_EXECUTE);
}

/* Nobody may be writing it, and from now on nobody can. */
static hx_err claim(struct vnode *vnode)
{
    atomic_fetch_add_explicit(&vnode->executors, 1, memory_order_seq_cst);
    /* seq_cst, both: the mirror image of opening for writing; one of the two sees the other */
    if (atomic_load_explicit(&vnode->writers, memory_order_seq_cst) != 0) {
        atomic_fetch_sub_explicit(&vnode->executors, 1, memory_order_relaxed);
        return HX_ETXTBSY;
    }
    return HX_OK;
}

static void unclaim(struct vnode *vnode)
{
    atomic_fetch_sub_explicit(&vnode->executors, 1, memory_order_release);
}

/* Where position-independent programs go: static ones, those with an interpreter. */
struct elf_bases {
    uintptr_t dynamic;
    uintptr_t interpreted;
};

static hx_err read_head(struct execution *execution, struct file *file)
{
    struct transfer transfer;
    hx_err error;

    transfer_init_kernel(&transfer, execution->head, HEAD_SIZE);
    error = file_read_at(file, &transfer, 0, &execution->head_size);
    execution->head[execution->head_size] = '\0';
    return error;
}

/* What /proc shows as the program. One that has no name any more has none there. */
static void keep_path(struct file *file, const struct path_walk *walk, const char *path)
{
    char *text = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);

    if (text != NULL && path_resolve(walk, path, text, PATH_SIZE_MAX) == HX_OK) {
        file_set_path(file, text);
    }
    heap_free(text);
}

/* The descriptor's file says itself what it is called. */
static void keep_path_of(struct execution *execution, const struct linux_path *path)
{
    if (path->text[0] != '\0' || path->base_file == NULL) {
        keep_path(execution->file, &path->walk, path->text);
    } else if (path->base_file->path != NULL) {
        keep_path(execution->file, &path->walk, path->base_file->path);
    }
}

/* And read its head. */
static hx_err open_executable(struct execution *execution, struct location *location,
                              struct file **file)
{
    struct process *self = process_current();
    static const struct credentials superuser; /* execute permission is enough to run a file */
    hx_err error = check_executable(location);

    if (error == HX_OK) {
        error = file_open_location(location, FILE_READ_ONLY, &superuser, self->owner, file);
    }
    return error == HX_OK ? read_head(execution, *file) : error;
}

/* --- scripts -----------------------------------------------------------------------------------
 */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* "#! interpreter argument": cut the head's first line into both; the argument may be missing. */
static hx_err parse_script(char *line, const char **interpreter, const char **argument)
{
    char *end = line;
    char *at = line + 2;

    while (*end != '\0' && *end != '\n') {
        end++;
    }
    while (end > line + 2 && is_blank(end[-1])) {
        end--;
    }
    *end = '\0';
    while (is_blank(*at)) {
        at++;
    }
    *interpreter = at;
    while (*at != '\0' && !is_blank(*at)) {
        at++;
    }
    while (is_blank(*at)) {
        *at++ = '\0';
    }
    *argument = *at != '\0' ? at : NULL;
    return **interpreter != '\0' ? HX_OK : HX_EFORMAT;
}

/* The script becomes an argument of its interpreter, which is opened instead. */
static hx_err follow_script(struct execution *execution)
{
    struct process *self = process_current();
    const struct path_walk walk = {self->paths, &self->credentials, NULL};
    const char *interpreter;
    const char *argument;
    struct location location;
    hx_err error = parse_script(execution->head, &interpreter, &argument);

    if (error == HX_OK) {
        error = exec_strings_put_interpreter(execution->strings, interpreter, argument,
                                             execution->name);
    }
    if (error == HX_OK) {
        (void)string_copy(execution->name, sizeof(execution->name), interpreter);
        error = path_find(&walk, execution->name, PATH_FOLLOW, &location);
    }
    if (error != HX_OK) {
        return error;
    }
    file_put(execution->file);
    execution->file = NULL;
    error = open_executable(execution, &location, &execution->file);
    location_put(&location);
    if (error == HX_OK) {
        keep_path(execution->file, &walk, execution->name);
    }
    return error;
}

static bool is_script(const struct execution *execution)
{
    return execution->head_size > 2 && execution->head[0] == '#' && execution->head[1] == '!';
}

static hx_err follow_scripts(struct execution *execution)
{
    hx_err error = HX_OK;

    for (unsigned depth = 0; is_script(execution) && error == HX_OK; depth++) {
        error = depth < SCRIPTS_MAX ? follow_script(execution) : HX_ELOOP;
    }
    return error;
}

/* --- memory ------------------------------------------------------------------------------------
 */

/* What the head that was read last says; of opened, which is called name. */
static hx_err read_elf(const struct execution *execution, const struct file *opened,
                       const char *name, struct elf_bases bases, struct elf_program *program)
{
    struct hal_range window = hal_user_window();
    const struct elf_program_file file = {
        .head = execution->head,
        .head_size = execution->head_size,
        .file_size = atomic_load_explicit(&opened->location.vnode->size, memory_order_relaxed),
        .machine = hal_relocation_machine(),
        .window_base = window.base,
        .window_size = window.size - LINUX_VDSO_SIZE - STACK_FIRST_SIZE - STACK_GAP,
        .dynamic_base = bases.dynamic,
        .interpreted_base = bases.interpreted,
    };
    const char *why;
    hx_err error = elf_program_read(&file, program, &why);

    if (error == HX_OK || error == HX_ENOMEM) {
        return error;
    }
    kdebug("exec: %s: %s", name, why != NULL ? why : hx_error_text(error));
    return HX_EFORMAT;
}

static hx_err read_program(struct execution *execution)
{
    const struct elf_bases bases = {DYNAMIC_BASE, INTERPRETED_BASE};

    return read_elf(execution, execution->file, execution->name, bases, &execution->program);
}

static unsigned access_of(const struct elf_program_segment *segment)
{
    unsigned access = MAPPING_READ;

    access |= (segment->access & ELF_PROGRAM_WRITE) != 0 ? (unsigned)MAPPING_WRITE : 0U;
    access |= (segment->access & ELF_PROGRAM_EXECUTE) != 0 ? (unsigned)MAPPING_EXECUTE : 0U;
    return access;
}

static uintptr_t page_of(uintptr_t address)
{
    return address & ~(HAL_PAGE_SIZE - 1);
}

static uintptr_t page_after(uintptr_t address)
{
    return page_of(address + HAL_PAGE_SIZE - 1);
}

/* The last page of a file's part goes on with zeros, where the segment does. */
static bool has_tail(const struct elf_program_segment *segment)
{
    return segment->memory_size > segment->file_size &&
           (segment->address + segment->file_size) % HAL_PAGE_SIZE != 0 &&
           (segment->access & ELF_PROGRAM_WRITE) != 0;
}

/* The pages of a segment that hold bytes of the file. */
static hx_err map_file_part(struct execution *execution, struct file *file,
                            const struct elf_program_segment *segment)
{
    const struct mapping_request request = {
        .address = page_of(segment->address),
        .size = page_after(segment->address + segment->file_size) - page_of(segment->address),
        .flags = access_of(segment),
        .is_fixed = true,
        .is_exclusive = true, /* the interpreter does not replace the program */
        .object = file->location.vnode->contents,
        .offset = page_of(segment->offset),
        .name = linux_mapping_name(file),
    };
    uintptr_t address;
    hx_err error = HX_OK;

    if (segment->file_size != 0) {
        error = address_space_map(execution->space, &request, &address);
        if (error == HX_OK && has_tail(segment)) {
            error =
                address_space_load_tail(execution->space, segment->address + segment->file_size);
        }
    }
    return error;
}

/* The pages behind them, which begin as zeros. */
static hx_err map_zero_part(struct execution *execution, const struct elf_program_segment *segment)
{
    uintptr_t start = segment->file_size > 0 ? page_after(segment->address + segment->file_size)
                                             : page_of(segment->address);
    uintptr_t end = page_after(segment->address + segment->memory_size);
    struct mapping_request request;
    uintptr_t address;

    if (end <= start) {
        return HX_OK;
    }
    request = (struct mapping_request){.address = start,
                                       .size = end - start,
                                       .flags = access_of(segment),
                                       .is_fixed = true,
                                       .is_exclusive = true};
    return address_space_map(execution->space, &request, &address);
}

static hx_err map_segments(struct execution *execution, struct file *file,
                           const struct elf_program *program)
{
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < program->segment_count && error == HX_OK; i++) {
        error = map_file_part(execution, file, &program->segments[i]);
        if (error == HX_OK) {
            error = map_zero_part(execution, &program->segments[i]);
        }
    }
    return error;
}

static hx_err map_stack(struct execution *execution)
{
    struct hal_range window = hal_user_window();
    const struct process *self = process_current();
    struct mapping_request request = {
        .size = STACK_FIRST_SIZE,
        .flags = MAPPING_READ | MAPPING_WRITE | MAPPING_GROWS_DOWN,
        .is_fixed = true,
    };
    uintptr_t address;
    hx_err error;

    execution->stack_top = window.base + window.size - LINUX_VDSO_SIZE - STACK_GAP;
    request.address = execution->stack_top - request.size;
    address_space_set_limits(execution->space, self->limits[LIMIT_STACK].soft,
                             self->limits[LIMIT_ADDRESS_SPACE].soft);
    error = address_space_map(execution->space, &request, &address);
    /* The page that is written first, so that it needs no fault. */
    return error == HX_OK ? address_space_fault(execution->space,
                                                execution->stack_top - HAL_PAGE_SIZE, MAPPING_WRITE)
                          : error;
}

/* --- the interpreter --------------------------------------------------------------------------
 */

static hx_err read_interpreter_name(struct execution *execution)
{
    size_t size = execution->program.interpreter_size;
    struct transfer transfer;
    size_t done;
    hx_err error;

    transfer_init_kernel(&transfer, execution->interpreter_name, size);
    error = file_read_at(execution->file, &transfer, execution->program.interpreter_offset, &done);
    if (error == HX_OK && (done != size || execution->interpreter_name[size - 1] != '\0')) {
        error = HX_EFORMAT;
    }
    return error;
}

/* Nobody may be writing it now; unlike a program it can be written while it runs. */
static hx_err check_not_written(struct vnode *vnode)
{
    hx_err error = claim(vnode);

    if (error == HX_OK) {
        unclaim(vnode);
    }
    return error;
}

static hx_err open_interpreter(struct execution *execution)
{
    struct process *self = process_current();
    const struct path_walk walk = {self->paths, &self->credentials, NULL};
    struct location location;
    hx_err error = path_find(&walk, execution->interpreter_name, PATH_FOLLOW, &location);

    if (error != HX_OK) {
        return error;
    }
    error = open_executable(execution, &location, &execution->interpreter_file);
    if (error == HX_OK) {
        keep_path(execution->interpreter_file, &walk, execution->interpreter_name);
        error = check_not_written(location.vnode);
    }
    location_put(&location);
    return error;
}

/* base: where it goes if it can go anywhere. */
static hx_err read_interpreter(struct execution *execution, uintptr_t base)
{
    const struct elf_bases bases = {base, base};
    hx_err error;

    if (execution->head_size < ELF_HEADER_SIZE) {
        return HX_EIO;
    }
    error = read_elf(execution, execution->interpreter_file, execution->interpreter_name, bases,
                     &execution->interpreter);
    return error == HX_EFORMAT ? HX_ELIBBAD : error;
}

/* What a program needs beside itself; nothing is mapped yet. */
static hx_err find_interpreter(struct execution *execution)
{
    hx_err error = HX_OK;

    if (execution->program.interpreter_size != 0) {
        error = read_interpreter_name(execution);
        if (error == HX_OK) {
            error = open_interpreter(execution);
        }
        if (error == HX_OK) {
            error = read_interpreter(execution, DYNAMIC_BASE);
        }
    }
    return error;
}

/* The highest gap that holds a position-independent interpreter, with room to align it. */
static hx_err find_gap(struct execution *execution, uintptr_t *base)
{
    const struct elf_program *interpreter = &execution->interpreter;
    const struct mapping_request request = {
        .size = page_after(interpreter->end) - interpreter->bias + interpreter->alignment -
                HAL_PAGE_SIZE,
    };
    hx_err error = address_space_map(execution->space, &request, base);

    return error == HX_OK ? address_space_unmap(execution->space, *base, request.size) : error;
}

static hx_err map_interpreter(struct execution *execution)
{
    uintptr_t base = 0;
    hx_err error = HX_OK;

    if (execution->interpreter_file == NULL) {
        return HX_OK;
    }
    if (execution->interpreter.is_dynamic) {
        error = find_gap(execution, &base);
        if (error == HX_OK) {
            error = read_interpreter(execution, base);
        }
    }
    if (error == HX_OK) {
        error = map_segments(execution, execution->interpreter_file, &execution->interpreter);
    }
    return error == HX_EEXIST ? HX_ELIBBAD : error;
}

/* --- the address space --------------------------------------------------------------------------
 */

static hx_err build_space(struct execution *execution)
{
    hx_err error = address_space_create(process_current()->owner, &execution->space);

    if (error != HX_OK) {
        return error;
    }
    error = map_segments(execution, execution->file, &execution->program);
    if (error == HX_OK) {
        error = map_stack(execution);
    }
    if (error == HX_OK) {
        error = linux_vdso_map(execution->space, &execution->vdso);
    }
    if (error == HX_OK) {
        error = map_interpreter(execution);
    }
    address_space_set_break_start(execution->space, page_after(execution->program.end));
    return error;
}

/* --- past the point of no return -------------------------------------------------------------- */

static hx_err fill_memory(struct execution *execution)
{
    struct process *self = process_current();
    const struct elf_program *first =
        execution->interpreter_file != NULL ? &execution->interpreter : &execution->program;
    struct initial_stack stack;
    hx_err error = initial_stack_write(execution->stack_top, execution->strings, execution->name,
                                       &execution->program, &self->credentials, execution->vdso,
                                       first == &execution->interpreter ? first->bias : 0, &stack);

    if (error != HX_OK) {
        return error;
    }
    self->auxiliary_start = stack.auxiliary_start;
    self->auxiliary_size = stack.auxiliary_size;
    self->arguments_start = stack.arguments_start;
    self->arguments_end = stack.arguments_end;
    self->environment_start = stack.environment_start;
    self->environment_end = stack.environment_end;
    hal_user_frame_init(hal_user_frame(), first->entry, stack.pointer);
    return HX_OK;
}

/* Who the program will act as. */
struct new_identity {
    uint32_t user, group;
    struct authority *authority; /* a reference; NULL: the same as before */
};

/* By the file's set-user and set-group bits. */
static hx_err find_identity(const struct location *executable, struct new_identity *identity)
{
    struct process *self = process_current();
    const struct vnode *vnode = executable->vnode;
    uint32_t mode = (executable->mount->flags & MOUNT_NO_SET_ID) == 0 && !self->gains_no_rights
                        ? vnode->mode
                        : 0;
    bool sets_group = (mode & (MODE_SET_GROUP | 010)) == (MODE_SET_GROUP | 010);

    identity->user = (mode & MODE_SET_USER) != 0 ? vnode->user : self->credentials.effective_user;
    identity->group = sets_group ? vnode->group : self->credentials.effective_group;
    identity->authority = NULL;
    return identity->user != self->credentials.effective_user
               ? authority_after(self, identity->user, &identity->authority)
               : HX_OK;
}

/* What it was told to keep to itself, it may show again, unless it is another's program. */
static void take_identity(const struct new_identity *identity)
{
    struct process *self = process_current();
    struct credentials *who = &self->credentials;
    struct authority *old = NULL;

    mutex_lock(&process_mutex);
    who->effective_user = who->saved_user = identity->user;
    who->effective_group = who->saved_group = identity->group;
    self->is_dumpable = who->user == identity->user && who->group == identity->group;
    if (identity->authority != NULL) {
        old = authority_change_locked(self, identity->authority);
    }
    mutex_unlock(&process_mutex);
    authority_put(old);
}

static const char *last_part(const char *path)
{
    const char *part = path;

    for (const char *slash = string_find(path, '/'); slash != NULL;
         slash = string_find(slash + 1, '/')) {
        part = slash[1] != '\0' ? slash + 1 : part;
    }
    return part;
}

static hx_err commit(struct execution *execution)
{
    struct location executable = execution->file->location;
    struct new_identity identity;
    hx_err error = find_identity(&executable, &identity);

    if (error != HX_OK) {
        return error;
    }
    location_get(&executable);
    error = process_exec(execution->space, last_part(execution->name), &executable);
    if (error != HX_OK) {
        location_put(&executable);
        authority_put(identity.authority);
        return error;
    }
    execution->space = NULL; /* the process's from now on */
    take_identity(&identity);
    if (fill_memory(execution) != HX_OK) {
        process_end(process_current()); /* on the way to user mode: what is held here goes first */
    }
    return HX_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

static hx_err run(struct execution *execution, const struct linux_path *path,
                  struct location *location)
{
    struct vnode *claimed = NULL;
    hx_err error = open_executable(execution, location, &execution->file);

    if (error == HX_OK) {
        keep_path_of(execution, path);
        error = follow_scripts(execution);
    }
    if (error == HX_OK) {
        claimed = execution->file->location.vnode;
        error = claim(claimed);
    }
    if (error != HX_OK) {
        return error;
    }
    error = read_program(execution);
    if (error == HX_OK) {
        error = find_interpreter(execution);
    }
    if (error == HX_OK) {
        error = build_space(execution);
    }
    if (error == HX_OK) {
        error = commit(execution);
    }
    if (error != HX_OK) {
        unclaim(claimed); /* else the process keeps it */
    }
    return error;
}

static void end_execution(struct execution *execution)
{
    file_put(execution->file);
    file_put(execution->interpreter_file);
    if (execution->space != NULL) {
        address_space_put(execution->space);
    }
    spare_put(&spare_execution, execution);
}

/* What the program is called: by its path, or by the descriptor that it is found from. */
static void name_execution(struct execution *execution, const struct linux_path *path)
{
    if (path->base_file == NULL) {
        (void)string_copy(execution->name, sizeof(execution->name), path->text);
        return;
    }
    (void)format_text(execution->name, sizeof(execution->name), "/dev/fd/%d%s%s",
                      path->base_descriptor, path->text[0] != '\0' ? "/" : "", path->text);
}

static hx_err find_program(struct linux_path *path, uint64_t at_flags, struct location *location)
{
    bool follows = (at_flags & LINUX_AT_SYMLINK_NOFOLLOW) == 0;
    hx_err error = linux_path_find(path, at_flags, follows, location);

    if (error == HX_OK && location->vnode->type == VNODE_SYMLINK) {
        location_put(location);
        error = HX_ELOOP;
    }
    return error == HX_ENOTDIR && path->text[0] == '\0' ? HX_EACCES : error;
}

hx_err linux_exec(struct linux_path *path, uint64_t at_flags, struct exec_strings *strings)
{
    struct execution *execution = spare_take(&spare_execution, sizeof(*execution));
    struct location location;
    hx_err error = HX_ENOMEM;

    if (execution == NULL) {
        return HX_ENOMEM;
    }
    execution->strings = strings;
    execution->file = NULL;
    execution->interpreter_file = NULL;
    execution->space = NULL;
    name_execution(execution, path);
    error = find_program(path, at_flags, &location);
    if (error == HX_OK) {
        error = run(execution, path, &location);
        location_put(&location);
    }
    end_execution(execution);
    return error;
}
