/* What a panic says: gathering it, and printing the block of SPEC X4. */
#include <base/text.h>
#include <core/debug/log.h>
#include <core/debug/recorder_control.h>
#include <core/debug/recorder_merge.h>
#include <core/debug/symbols.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <hal/memory.h>
#include <kern/thread.h>

#define REGISTERS_PER_LINE 2

static void walk_stack(struct panic_context *context, const struct hal_frame *frame)
{
    uintptr_t fp = hal_frame_fp(frame);
    uintptr_t pc = hal_frame_pc(frame);

    do {
        context->backtrace[context->backtrace_depth++] = pc;
    } while (context->backtrace_depth < PANIC_BACKTRACE_MAX && hal_frame_walk(&fp, &pc));
}

void panic_describe(struct panic_context *context, const struct hal_frame *frame)
{
    const struct thread *self = thread_current();

    context->cpu = hal_cpu_id();
    context->thread_id = self->id;
    context->thread_name = self->name;
    context->kernel_state = kernel_state_current();
    context->cpu_state = frame;
    context->backtrace_depth = 0;
    if (frame == NULL) {
        return;
    }
    if (context->location.file == NULL) {
        symbol_text(hal_frame_pc(frame), context->symbol, sizeof context->symbol);
        context->location.file = context->symbol;
    }
    walk_stack(context, frame);
}

static void print_registers(const struct hal_frame *frame)
{
    uint64_t value;
    unsigned index = 0;
    const char *name = hal_frame_register(frame, index, &value);

    while (name != NULL) {
        char line[80];
        struct text text = text_into(line, sizeof line);

        for (unsigned i = 0; i < REGISTERS_PER_LINE && name != NULL; i++) {
            text_add(&text, "%s%s=0x%016llX", i > 0 ? " " : "", name, (unsigned long long)value);
            name = hal_frame_register(frame, ++index, &value);
        }
        kprintln("%s", line);
    }
}

static void print_backtrace(const struct panic_context *context)
{
    for (uint32_t i = 0; i < context->backtrace_depth; i++) {
        uintptr_t address = context->backtrace[i];
        char name[96];
        /* A return address may lie behind its function's end: look up the call before it. */
        symbol_text(i == 0 ? address : address - 1, name, sizeof name);
        kprintln("#%u %s (0x%016llx)", i, name, (unsigned long long)address);
    }
}

/* What the addresses above must be brought back by, to be found in the file of the image. */
static void print_slide(void)
{
    struct hal_slide slide = hal_kernel_slide();

    if (slide.image != 0) {
        kprintln("Slide: image 0x%llx, direct map 0x%llx", (unsigned long long)slide.image,
                 (unsigned long long)slide.direct);
    }
}

void panic_print(const struct panic_context *context, enum panic_action action)
{
    const struct panic_location *location = &context->location;

    kprintln("=== KERNEL PANIC ===");
    kprintln("Message: %s", context->message);
    kprintln("Location: %s:%u:%u", location->file != NULL ? location->file : "?", location->line,
             location->column);
    kprintln("Thread: %s (tid=%u)", context->thread_name, context->thread_id);
    kprintln("State: %s", kernel_state_name(context->kernel_state));
    kprintln("Register Dump:");
    if (context->cpu_state != NULL) {
        print_registers(context->cpu_state);
    }
    kprintln("Stack Trace:");
    print_backtrace(context);
    kprintln("Action: %s", panic_action_name(action));
    print_slide();
}

/* --- what happened just before ---------------------------------------------------------------- */

static struct recorder_merge merge; /* of the one CPU that panics */

/* Microseconds, and thousandths, that a record is older than now. */
static void add_record(const struct recorder_entry *entry, uint64_t now, struct text *text)
{
    uint64_t rate = hal_clock_cycles_per_second() / 1000000;
    uint64_t age = entry->cycles < now && rate != 0 ? (now - entry->cycles) * 1000 / rate : 0;

    text_add(text, "-%llu.%03llu us cpu=%u tid=%u %s ", (unsigned long long)(age / 1000),
             (unsigned long long)(age % 1000), entry->cpu, entry->thread,
             recorder_kind_name(entry->kind));
    recorder_describe(entry, text);
}

/* Told first, so that a reader of the lines knows when all are there. */
static unsigned count_records(uint64_t most)
{
    struct recorder_entry entry;
    unsigned count = 0;

    recorder_merge_begin(&merge, most);
    while (recorder_merge_next(&merge, &entry)) {
        count++;
    }
    return count;
}

/* Of each ring, so that every CPU has its part of the lines. */
static uint64_t recent_of_ring(void)
{
    uint64_t share = PANIC_RECENT_LINES / (RECORDER_RING_COUNT * hal_cpu_count());

    if (share > PANIC_RECENT_MAX) {
        return PANIC_RECENT_MAX;
    }
    return share > 0 ? share : 1;
}

void panic_print_recent(void)
{
    uint64_t now = hal_clock_cycles();
    unsigned count = count_records(recent_of_ring());
    struct recorder_entry entry;

    if (count == 0) {
        return;
    }
    kprintln("Recent Events: %u", count);
    recorder_merge_begin(&merge, recent_of_ring());
    for (; count > 0 && recorder_merge_next(&merge, &entry); count--) {
        char line[LOG_TEXT_MAX];
        struct text text = text_into(line, sizeof(line));

        add_record(&entry, now, &text);
        kprintln("%s", line);
    }
}

static void add_records(struct text *text, uint64_t most, uint64_t now)
{
    struct recorder_entry entry;

    recorder_merge_begin(&merge, most);
    while (recorder_merge_next(&merge, &entry)) {
        add_record(&entry, now, text);
        text_add(text, "\n");
    }
}

/* Newer ones must not be cut off, so it is measured first. */
void panic_add_recent(struct text *text, uint64_t most)
{
    uint64_t now = hal_clock_cycles();

    for (; most > 0; most -= most / 4 + 1) {
        char nothing[1];
        struct text counted = text_into(nothing, sizeof(nothing));

        add_records(&counted, most, now);
        if (text->length + counted.length < text->size) {
            add_records(text, most, now);
            return;
        }
    }
}
