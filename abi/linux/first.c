/* The first program. */
#include <abi/linux/call.h>
#include <abi/linux/exec.h>
#include <abi/linux/exec_strings.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <kern/heap.h>

#define FIRST_FILES 1024U

/* What it is started with, and what came of that. */
struct first {
    struct linux_path path;
    struct exec_strings strings;
};

static const char *const environment[] = {"HOME=/root", "TERM=linux",
                                          "PATH=/sbin:/bin:/usr/sbin:/usr/bin"};

static hx_err fill_strings(struct exec_strings *strings, const char *path)
{
    hx_err error;

    exec_strings_init(strings, 0);
    error = exec_strings_add(strings, path);
    strings->argument_count = 1;
    strings->environment_start = strings->used;
    for (unsigned i = 0; i < HX_ARRAY_SIZE(environment) && error == HX_OK; i++) {
        error = exec_strings_add(strings, environment[i]);
        strings->environment_count++;
    }
    return error;
}

static void run_first(void *argument)
{
    struct first *first = argument;
    struct process *self = process_current();
    hx_err error;

    first->path.walk = (struct path_walk){self->paths, &self->credentials, NULL};
    error = linux_exec(&first->path, 0, &first->strings);
    if (error != HX_OK) {
        kerror("init: %s: %s", first->path.text, hx_error_text(error));
    }
    exec_strings_fini(&first->strings);
    heap_free(first);
    if (error != HX_OK) {
        process_exit(exit_code_status(127));
    }
}

/* Descriptors 0, 1 and 2 on the console; a machine without one gives none. */
static void open_console(struct process *process, struct file_table *files,
                         struct path_context *paths)
{
    const struct path_walk walk = {paths, &process->credentials, NULL};
    struct file *file;
    int descriptor;

    if (file_open(&walk, "/dev/console", FILE_READ_WRITE, 0, process->owner, &file) != HX_OK) {
        kwarn("init: no /dev/console");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (file_table_add(files, file_get(file), 0, false, &descriptor) != HX_OK) {
            file_put(file);
        }
    }
    file_put(file);
}

static hx_err start(struct first *first)
{
    struct process *process;
    struct file_table *files = NULL;
    struct path_context *paths = NULL;
    hx_err error = process_create_first(&process);

    if (error == HX_OK) {
        error = file_table_create(FIRST_FILES, process->owner, &files);
    }
    if (error == HX_OK) {
        error = path_context_create(&paths);
    }
    if (error == HX_OK) {
        open_console(process, files, paths);
        error = process_start(process, files, paths, run_first, first);
    }
    return error;
}

hx_err linux_start_first(const char *path)
{
    struct first *first = heap_allocate_zeroed(sizeof(*first), OWNER_CORE);
    hx_err error = HX_ENOMEM;

    if (first == NULL) {
        return HX_ENOMEM;
    }
    (void)string_copy(first->path.text, sizeof(first->path.text), path);
    error = fill_strings(&first->strings, path);
    return error == HX_OK ? start(first) : error;
}
