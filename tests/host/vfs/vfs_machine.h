/*
 * A hosted machine with a root file system, and short forms of what a program does with files.
 */
#ifndef TESTS_HOST_VFS_VFS_MACHINE_H
#define TESTS_HOST_VFS_VFS_MACHINE_H

/* The C library has names of the same spelling for codes of a signal. */
#define POLL_IN  LIBC_POLL_IN
#define POLL_OUT LIBC_POLL_OUT
#include <kern/stack.h>
#include <signal.h>
#undef POLL_IN
#undef POLL_OUT

#include <core/gate/slot.h>
#include <core/resource/ledger.h>
#include <core/resource/resource.h>
#include <hal/memory.h>
#include <subsys/devices/memory_devices.h>
#include <subsys/tmpfs/tmpfs.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/path.h>
#include <subsys/vfs/pipe.h>
#include <subsys/vfs/retire.h>
#include <tests/host/core/machine.h>

#define PAGE ((uint64_t)HAL_PAGE_SIZE)

static struct slot *memory_slot; /* empty: core's own answers */
static owner_tag vfs_owner;
static struct credentials who; /* the superuser, until a test changes it */
static struct path_context *context;
static struct path_walk walk;

/* --- the machine ------------------------------------------------------------------------------ */

static void vfs_start(void)
{
    static const struct resource_provider provider = {.name = "test"};

    resource_init();
    CHECK(resource_register_provider(RESOURCE_MEMORY, &provider) == HX_OK);
    CHECK(resource_register_provider(RESOURCE_FILE_HANDLES, &provider) == HX_OK);
    CHECK(resource_owner_open("test", &vfs_owner) == HX_OK);
    tmpfs_init();
    CHECK(slot_create("memory", HX_CATEGORY_CHARACTER, &memory_slot) == HX_OK);
    CHECK(memory_devices_init() == HX_OK);
    CHECK(mount_root("tmpfs") == HX_OK);
    CHECK(path_context_create(&context) == HX_OK);
    walk = (struct path_walk){context, &who, NULL};
}

static void (*vfs_body)(void);

static void vfs_main(void)
{
    vfs_start();
    vfs_body();
}

static void vfs_child(void)
{
    machine_run(2, vfs_main);
}

/* Run a body with a fresh machine; it has to come to its end. */
HX_UNUSED static void vfs_passes(void (*body)(void))
{
    vfs_body = body;
    passes_in_child(vfs_child);
}

#define VFS_TEST(name)                                                                             \
    static void name##_body(void);                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        vfs_passes(name##_body);                                                                   \
    }                                                                                              \
    static void name##_body(void)

/* Everything that must be as before when a test is over. */
struct vfs_balance {
    uint64_t frames;
    uint64_t objects;
    uint64_t handles;
};

static struct vfs_balance vfs_balance(void)
{
    struct resource_usage usage;
    struct heap_statistics heap;

    (void)stack_free_kept();
    retire_flush();
    heap_statistics(&heap);
    CHECK(resource_get_usage(vfs_owner, RESOURCE_FILE_HANDLES, &usage) == HX_OK);
    /* The heap keeps empty slabs: its frames are not of interest. */
    return (struct vfs_balance){
        .frames = frames_owned(OWNER_CORE) + frames_owned(vfs_owner) - heap.frames,
        .objects = heap.objects,
        .handles = usage.used,
    };
}

HX_UNUSED static void vfs_check_balance(struct vfs_balance before)
{
    struct vfs_balance now = vfs_balance();

    if (now.frames != before.frames || now.objects != before.objects ||
        now.handles != before.handles) {
        fprintf(stderr, "frames %llu -> %llu, objects %llu -> %llu, handles %llu -> %llu\n",
                (unsigned long long)before.frames, (unsigned long long)now.frames,
                (unsigned long long)before.objects, (unsigned long long)now.objects,
                (unsigned long long)before.handles, (unsigned long long)now.handles);
        _exit(CHILD_FAILED);
    }
}

/* --- short forms ------------------------------------------------------------------------------ */

HX_UNUSED static hx_err make_node(const char *path, enum vnode_type type, uint32_t mode)
{
    const struct vnode_making making = {
        .type = type, .mode = mode, .user = who.effective_user, .group = who.effective_group};

    return path_make(&walk, path, &making, NULL);
}

HX_UNUSED static hx_err make_directory(const char *path)
{
    return make_node(path, VNODE_DIRECTORY, 0755);
}

HX_UNUSED static hx_err make_symlink(const char *target, const char *path)
{
    const struct vnode_making making = {.type = VNODE_SYMLINK, .mode = 0777, .target = target};

    return path_make(&walk, path, &making, NULL);
}

HX_UNUSED static hx_err find(const char *path, unsigned flags)
{
    struct location found;
    hx_err error = path_find(&walk, path, flags, &found);

    if (error == HX_OK) {
        location_put(&found);
    }
    return error;
}

/* The number of what a path names; 0: there is nothing. */
HX_UNUSED static uint64_t number_at(const char *path)
{
    struct location found;
    uint64_t number = 0;

    if (path_find(&walk, path, 0, &found) == HX_OK) {
        number = found.vnode->number;
        location_put(&found);
    }
    return number;
}

HX_UNUSED static uint32_t links_of(const char *path)
{
    struct location found;
    uint32_t links;

    CHECK(path_find(&walk, path, 0, &found) == HX_OK);
    links = atomic_load(&found.vnode->links);
    location_put(&found);
    return links;
}

HX_UNUSED static hx_err open_as(const char *path, uint32_t flags, struct file **file)
{
    return file_open(&walk, path, flags, 0666, vfs_owner, file);
}

/* Open and close. */
HX_UNUSED static hx_err try_open(const char *path, uint32_t flags)
{
    struct file *file;
    hx_err error = open_as(path, flags, &file);

    if (error == HX_OK) {
        file_put(file);
    }
    return error;
}

HX_UNUSED static struct file *opened(const char *path, uint32_t flags)
{
    struct file *file = NULL;

    CHECK(open_as(path, flags, &file) == HX_OK);
    return file;
}

HX_UNUSED static hx_err write_text(struct file *file, const char *text, size_t *done)
{
    struct transfer transfer;

    transfer_init_kernel(&transfer, (void *)(uintptr_t)text, strlen(text));
    return file_write(file, &transfer, done);
}

HX_UNUSED static void put_text(struct file *file, const char *text)
{
    size_t done;

    CHECK(write_text(file, text, &done) == HX_OK && done == strlen(text));
}

HX_UNUSED static hx_err read_bytes(struct file *file, void *buffer, size_t size, size_t *done)
{
    struct transfer transfer;

    transfer_init_kernel(&transfer, buffer, size);
    return file_read(file, &transfer, done);
}

/* Whether the rest of a file, or what a pipe has, is exactly that. */
HX_UNUSED static bool reads(struct file *file, const char *text)
{
    char buffer[256] = {0};
    size_t done;

    return read_bytes(file, buffer, sizeof(buffer), &done) == HX_OK && done == strlen(text) &&
           memcmp(buffer, text, done) == 0;
}

HX_UNUSED static void make_file(const char *path, const char *text)
{
    struct file *file = opened(path, FILE_CREATE | FILE_TRUNCATE | FILE_WRITE_ONLY);

    put_text(file, text);
    file_put(file);
}

HX_UNUSED static bool contains(const char *path, const char *text)
{
    struct file *file = opened(path, FILE_READ_ONLY);
    bool answer = reads(file, text);

    file_put(file);
    return answer;
}

HX_UNUSED static hx_err rename_to(const char *from, const char *to, unsigned flags)
{
    return path_rename(&walk, from, &walk, to, flags);
}

HX_UNUSED static hx_err link_to(const char *target, const char *path)
{
    struct location found;
    hx_err error = path_find(&walk, target, 0, &found);

    if (error == HX_OK) {
        error = path_link(&walk, &found, &walk, path);
        location_put(&found);
    }
    return error;
}

HX_UNUSED static hx_err mount_at(const char *path, uint32_t flags)
{
    struct location target;
    hx_err error = path_find(&walk, path, PATH_FOLLOW, &target);

    if (error == HX_OK) {
        error = mount_add("none", &target, "tmpfs", flags, "");
        location_put(&target);
    }
    return error;
}

HX_UNUSED static hx_err unmount(const char *path, bool is_detached)
{
    struct location target;
    hx_err error = path_find(&walk, path, PATH_FOLLOW, &target);

    if (error == HX_OK) {
        error = mount_remove(&target, is_detached);
        location_put(&target);
    }
    return error;
}

/* --- threads ---------------------------------------------------------------------------------- */

#define WORKERS_MAX 4U

static _Atomic uint32_t running;
static struct thread *tester;

struct worker {
    void (*work)(uint32_t number);
    uint32_t number;
};

static void worker_main(void *argument)
{
    const struct worker *worker = argument;

    worker->work(worker->number);
    /* release: pairs with the load in on_threads */
    if (atomic_fetch_sub_explicit(&running, 1, memory_order_release) == 1) {
        thread_unpark(tester);
    }
}

/* Run work(0) to work(count - 1) at the same time, to their ends. */
HX_UNUSED static void on_threads(uint32_t count, void (*work)(uint32_t number))
{
    static struct worker workers[WORKERS_MAX];

    tester = thread_current();
    atomic_store_explicit(&running, count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        struct thread *thread;

        workers[i] = (struct worker){.work = work, .number = i};
        CHECK(thread_create(&(struct thread_options){.name = "worker",
                                                     .entry = worker_main,
                                                     .argument = &workers[i],
                                                     .priority = THREAD_PRIORITY_NORMAL},
                            &thread) == HX_OK);
        thread_start(thread);
    }
    while (atomic_load_explicit(&running, memory_order_acquire) != 0) {
        CHECK(thread_park(THREAD_NO_DEADLINE) == HX_OK);
    }
    while (thread_reap() || thread_count() > 4) { /* the CPUs' boot threads, reaper, tester */
        thread_yield();
    }
}

#endif
