#include <base/format.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <hal/user.h>
#include <kern/thread.h>
#include <subsys/devices/memory_devices.h>
#include <subsys/devices/served_devices.h>
#include <subsys/random/random.h>
#include <subsys/vfs/device.h>
#include <subsys/vfs/file.h>

#define MAJOR 1U

/* --- random ----------------------------------------------------------------------------------- */

#define CHUNK 256U

static hx_err read_random(struct file *file, struct transfer *transfer, uint64_t offset,
                          size_t *done)
{
    struct random_stream stream;
    hx_err error = HX_OK;

    (void)file;
    (void)offset;
    random_stream_init(&stream);
    while (transfer->left > 0 && error == HX_OK && !thread_is_interrupted()) {
        char chunk[CHUNK];
        size_t part = transfer->left < CHUNK ? transfer->left : CHUNK;
        size_t moved;

        random_stream_fill(&stream, chunk, part);
        error = transfer_out(transfer, chunk, part, &moved);
        *done += moved;
    }
    random_stream_fini(&stream);
    return error == HX_OK && *done == 0 && transfer->left > 0 ? HX_EINTR : error;
}

static hx_err write_random(struct file *file, struct transfer *transfer, uint64_t offset,
                           size_t *done)
{
    hx_err error = HX_OK;

    (void)file;
    (void)offset;
    while (transfer->left > 0 && error == HX_OK && (*done == 0 || !thread_is_interrupted())) {
        char chunk[CHUNK];
        size_t moved;

        error = transfer_in(transfer, chunk, CHUNK, &moved);
        random_add(chunk, moved);
        *done += moved;
    }
    return error;
}

static const struct file_ops random_ops = {
    .read = read_random,
    .write = write_random,
    .can_seek = true,
    .ignores_position = true,
};

/* --- kmsg ------------------------------------------------------------------------------------- */

#define RECORD_MAX (LOG_TEXT_MAX + 64U)

/* The syslog level a line of ours has. */
static unsigned priority_of(unsigned level)
{
    static const unsigned priorities[] = {
        [LOG_PLAIN] = 5, [LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7};

    return level < HX_ARRAY_SIZE(priorities) ? priorities[level] : 6;
}

/* One record a read, "priority,number,microseconds,-;text"; the file's offset counts records. */
static hx_err read_log(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct log_entry entry;
    char text[RECORD_MAX];
    size_t length;
    enum log_read result;

    (void)offset;
    result = log_read((uint64_t)(uintptr_t)file->context + 1, true, &entry);
    if (result != LOG_READ_RECORD) {
        return HX_EAGAIN; /* waiting for the next line is for who polls */
    }
    length = format_text(text, sizeof(text), "%u,%llu,%llu,-;%s\n", priority_of(entry.level),
                         (unsigned long long)entry.number,
                         (unsigned long long)(entry.time_ns / 1000), entry.text);
    if (length > transfer->left) {
        return HX_EINVAL;
    }
    file->context = (void *)(uintptr_t)entry.number;
    return transfer_out(transfer, text, length, done);
}

/* A line of a program's, "<priority>text". */
static hx_err write_log(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    char text[LOG_TEXT_MAX];
    size_t size = transfer->left;
    size_t length = 0;
    const char *begin = text;
    hx_err error = transfer_in(transfer, text, sizeof(text) - 1, &length);

    (void)file;
    (void)offset;
    if (error != HX_OK) {
        return error;
    }
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    text[length] = '\0';
    if (text[0] == '<' && string_find(text, '>') != NULL) {
        begin = string_find(text, '>') + 1;
    }
    kinfo("%s", begin);
    *done = size;
    return HX_OK;
}

static const struct file_ops log_ops = {.read = read_log, .write = write_log};

/* --- the table -------------------------------------------------------------------------------- */

static const struct device devices[] = {
    {.name = "null", .number = (uint64_t)MAJOR << 32 | 3, .mode = 0666, .ops = &served_null},
    {.name = "zero", .number = (uint64_t)MAJOR << 32 | 5, .mode = 0666, .ops = &served_zero},
    {.name = "full", .number = (uint64_t)MAJOR << 32 | 7, .mode = 0666, .ops = &served_full},
    {.name = "random", .number = (uint64_t)MAJOR << 32 | 8, .mode = 0666, .ops = &random_ops},
    {.name = "urandom", .number = (uint64_t)MAJOR << 32 | 9, .mode = 0666, .ops = &random_ops},
    {.name = "kmsg",
     .number = (uint64_t)MAJOR << 32 | 11,
     .mode = 0600,
     .ops = &log_ops,
     .is_raw = true},
};

hx_err memory_devices_init(void)
{
    hx_err error = served_devices_init();

    if (error == HX_OK) {
        error = device_names_init();
    }
    for (unsigned i = 0; i < HX_ARRAY_SIZE(devices) && error == HX_OK; i++) {
        error = device_register(&devices[i]);
    }
    return error;
}
