#include <base/memory.h>
#include <base/string.h>
#include <base/text.h>
#include <core/debug/log.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/process/core_dump.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_private.h>
#include <subsys/process/system_name.h>
#include <subsys/time/wall_clock.h>

#define NS_PER_SECOND  1000000000ULL
#define CORE_MODE      0600U
#define CORE_NAME_SIZE 256U

static core_writer writer; /* set at boot */

void core_dump_set_writer(core_writer write)
{
    writer = write;
}

/* --- the name ----------------------------------------------------------------------------------
 */

static struct spinlock pattern_lock = SPINLOCK_INIT(LOCK_RANK_CORE, "core pattern");
static char pattern_text[CORE_PATTERN_SIZE] = "core"; /* pattern_lock */

void core_pattern_get(char pattern[CORE_PATTERN_SIZE])
{
    hal_interrupt_state state = spinlock_acquire(&pattern_lock);

    memcpy(pattern, pattern_text, CORE_PATTERN_SIZE);
    spinlock_release(&pattern_lock, state);
}

hx_err core_pattern_set(const char *bytes, size_t length)
{
    hal_interrupt_state state;

    length -= length > 0 && bytes[length - 1] == '\n';
    if (length >= CORE_PATTERN_SIZE) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&pattern_lock);
    memcpy(pattern_text, bytes, length);
    pattern_text[length] = '\0';
    spinlock_release(&pattern_lock, state);
    return HX_OK;
}

/* A name that comes from elsewhere leads into no other directory. */
static void add_name(struct text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        text_add(text, "%c", *name == '/' ? '!' : *name);
    }
}

static void add_node(struct text *text)
{
    char name[SYSTEM_NAME_SIZE];

    system_name_get(SYSTEM_NODE, name);
    add_name(text, name);
}

/* What stands for %letter; nothing for those that are not known. */
static void add_value(struct text *text, char letter, const struct hal_signal_info *info)
{
    const struct user_thread *self = user_thread_current();
    const struct process *process = self->process;

    switch (letter) {
    case '%':
        text_add(text, "%%");
        break;
    case 'p':
    case 'P':
        text_add(text, "%u", process->id);
        break;
    case 'i':
    case 'I':
        text_add(text, "%u", self->id);
        break;
    case 'u':
        text_add(text, "%u", process->credentials.user);
        break;
    case 'g':
        text_add(text, "%u", process->credentials.group);
        break;
    case 's':
        text_add(text, "%d", info->number);
        break;
    case 't':
        text_add(text, "%llu", (unsigned long long)(wall_clock_now() / NS_PER_SECOND));
        break;
    case 'h':
        add_node(text);
        break;
    case 'e':
        add_name(text, self->name);
        break;
    case 'f':
        add_name(text, process->name);
        break;
    case 'c':
        text_add(text, "%llu", (unsigned long long)process->limits[LIMIT_CORE].soft);
        break;
    default:
        break;
    }
}

/* Answers whether the pattern gives a name. One that begins with a bar names a program to be told,
 * which is not done. */
static bool make_name(const struct hal_signal_info *info, char name[CORE_NAME_SIZE])
{
    char pattern[CORE_PATTERN_SIZE];
    struct text text = text_into(name, CORE_NAME_SIZE);

    core_pattern_get(pattern);
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at != '%') {
            text_add(&text, "%c", *at);
        } else if (at[1] != '\0') {
            add_value(&text, *++at, info);
        }
    }
    return pattern[0] != '|' && text.length > 0 && text.length < CORE_NAME_SIZE;
}

/* --- the file ----------------------------------------------------------------------------------
 */

/* Neither a link, nor under another name, nor somebody else's. */
static hx_err check_file(const struct file *file)
{
    const struct vnode *vnode = file->location.vnode;
    bool is_fine = vnode != NULL && vnode->type == VNODE_FILE &&
                   atomic_load_explicit(&vnode->links, memory_order_relaxed) == 1 &&
                   vnode->user == process_current()->credentials.effective_user;

    return is_fine ? HX_OK : HX_EACCES;
}

static hx_err open_file(const char *name, struct file **file)
{
    const struct process *self = process_current();
    const struct path_walk walk = {self->paths, &self->credentials, NULL};
    hx_err error = file_open(&walk, name, FILE_CREATE | FILE_READ_WRITE | FILE_NO_FOLLOW, CORE_MODE,
                             self->owner, file);

    if (error != HX_OK) {
        return error;
    }
    error = check_file(*file);
    if (error == HX_OK) {
        error = file_resize(*file, 0);
    }
    if (error != HX_OK) {
        file_put(*file);
    }
    return error;
}

/* --- threads -----------------------------------------------------------------------------------
 */

bool core_dump_is_over(void)
{
    struct process *process = process_current();
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool answer = process->is_ending;

    spinlock_release(&process->lock, state);
    return answer;
}

/* One thread alone dumps. Others halt, and come to their end then, as do those that come too late.
 */
static bool begin(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool is_mine = !process->is_ending && !process->is_executing && process->dumper == NULL;

    if (is_mine) {
        process->dumper = user_thread_current();
        LIST_FOR_EACH (node, &process->threads) {
            struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

            if (thread != process->dumper) {
                thread_interrupt(thread->thread, THREAD_WORK_SIGNAL);
            }
        }
    }
    spinlock_release(&process->lock, state);
    return is_mine;
}

static bool are_all_halted(struct process *process, bool *is_over)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool answer =
        process->halted + 1 == atomic_load_explicit(&process->thread_count, memory_order_relaxed);

    *is_over = process->is_ending;
    spinlock_release(&process->lock, state);
    return answer;
}

/* Answers whether all others are halted; else the process is ending. */
static bool halt_others(struct process *process)
{
    struct waiter waiter;
    bool is_over = false;

    wait_queue_prepare(&process->stopped, &waiter);
    while (!are_all_halted(process, &is_over) && !is_over) {
        (void)!wait_queue_wait(&process->stopped, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&process->stopped, &waiter);
    return !is_over;
}

static void describe(struct core_thread *to, struct user_thread *thread)
{
    to->id = thread->id;
    to->blocked = thread->blocked;
    to->pending = thread->pending.mask;
    to->time_ns = thread_run_time(thread->thread);
    hal_user_dump(&thread->thread->hal, &to->registers);
}

/* All at once, as SIGKILL may have them gone afterwards. Answers whether they were still there. */
static bool describe_all(struct process *process, struct core_thread *threads, size_t count)
{
    size_t done = 1;
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool is_fine = !process->is_ending;

    describe(&threads[0], process->dumper);
    for (struct list *node = process->threads.next; is_fine && node != &process->threads;
         node = node->next) {
        struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (thread != process->dumper && done < count) {
            describe(&threads[done++], thread);
        }
    }
    spinlock_release(&process->lock, state);
    return is_fine && done == count;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static bool write_file(struct core_dump *dump, const struct core_thread *threads)
{
    char name[CORE_NAME_SIZE];
    hx_err error;

    if (!make_name(dump->info, name) || open_file(name, &dump->file) != HX_OK) {
        return false;
    }
    dump->threads = threads;
    error = writer(dump);
    (void)log_write(LOG_INFO, "process %s (%u): signal %d, memory left in %s: %s",
                    process_current()->name, process_current()->id, dump->info->number, name,
                    error == HX_OK ? "all" : hx_error_name(error));
    file_put(dump->file);
    return true;
}

static bool is_wanted(const struct process *process)
{
    return writer != NULL && process->is_dumpable &&
           process->limits[LIMIT_CORE].soft >= HAL_PAGE_SIZE;
}

bool signal_dump(const struct hal_signal_info *info)
{
    struct process *process = process_current();
    struct core_dump dump = {.info = info, .limit = process->limits[LIMIT_CORE].soft};
    struct core_thread *threads;
    bool is_left = false;

    if (!is_wanted(process) || !begin(process) || !halt_others(process)) {
        return false;
    }
    dump.thread_count = atomic_load_explicit(&process->thread_count, memory_order_relaxed);
    threads = heap_allocate_zeroed(dump.thread_count * sizeof(*threads), OWNER_CORE);
    if (threads != NULL && describe_all(process, threads, dump.thread_count)) {
        is_left = write_file(&dump, threads);
    }
    heap_free(threads);
    return is_left;
}
