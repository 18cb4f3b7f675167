/* A whole file of the calling process's, by its path, into the kernel's memory. */
#include <base/memory.h>
#include <core/hot_reload/elf_module.h>
#include <kern/heap.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/process/process.h>
#include <subsys/vfs/file.h>

#define FIRST_SIZE (64U << 10)
#define FILE_MAX   ELF_MODULE_IMAGE_MAX

/* What has been read so far. */
struct contents {
    char *bytes;
    size_t size;
    size_t room;
};

static hx_err grow(struct contents *contents)
{
    size_t room = contents->room == 0 ? FIRST_SIZE : contents->room * 2;
    char *larger;

    if (room > FILE_MAX) {
        return HX_EFBIG;
    }
    larger = heap_allocate(room, OWNER_CORE);
    if (larger == NULL) {
        return HX_ENOMEM;
    }
    memcpy(larger, contents->bytes, contents->size);
    heap_free(contents->bytes);
    contents->bytes = larger;
    contents->room = room;
    return HX_OK;
}

static hx_err read_all(struct file *file, struct contents *contents)
{
    size_t done = 1;
    hx_err error = HX_OK;

    while (error == HX_OK && done != 0) {
        struct transfer transfer;

        if (contents->size == contents->room) {
            error = grow(contents);
        }
        if (error == HX_OK) {
            transfer_init_kernel(&transfer, contents->bytes + contents->size,
                                 contents->room - contents->size);
            error = file_read(file, &transfer, &done);
            contents->size += error == HX_OK ? done : 0;
        }
    }
    return error;
}

static hx_err open_path(const char *text, size_t length, struct file **file)
{
    struct process *self = process_current();
    const struct path_walk walk = {self->paths, &self->credentials, NULL};
    size_t end = length > 0 && text[length - 1] == '\n' ? length - 1 : length;
    char *path;
    hx_err error;

    if (end == 0 || end >= PATH_SIZE_MAX) {
        return end == 0 ? HX_EINVAL : HX_ENAMETOOLONG;
    }
    path = heap_allocate(end + 1, OWNER_CORE);
    if (path == NULL) {
        return HX_ENOMEM;
    }
    memcpy(path, text, end);
    path[end] = '\0';
    error = file_open(&walk, path, FILE_READ_ONLY, 0, self->owner, file);
    heap_free(path);
    return error;
}

hx_err helixfs_read_file(const char *path, size_t length, void **bytes, size_t *size)
{
    struct contents contents = {0};
    struct file *file;
    hx_err error;

    if (process_current() == NULL) {
        return HX_ESRCH;
    }
    error = open_path(path, length, &file);
    if (error != HX_OK) {
        return error;
    }
    error = read_all(file, &contents);
    file_put(file);
    if (error != HX_OK) {
        heap_free(contents.bytes);
        return error;
    }
    *bytes = contents.bytes;
    *size = contents.size;
    return HX_OK;
}
