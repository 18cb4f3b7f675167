/* The external interrupt lines: a controller like an IO-APIC, without the hardware. */
#include <ports/hosted/hosted.h>
#include <ports/hosted/machine.h>
#include <pthread.h>

struct line {
    uint64_t cpu_mask; /* 0: not routed yet */
    uint8_t vector;
    bool is_level;
    bool is_masked;
    bool is_raised; /* level, and masked or not routed when it came */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line lines[HOSTED_LINE_COUNT]; /* under lock */

void hosted_lines_start(void)
{
    for (uint32_t i = 0; i < HOSTED_LINE_COUNT; i++) {
        lines[i] = (struct line){.is_masked = true};
    }
}

uint32_t hal_line_count(void)
{
    return HOSTED_LINE_COUNT;
}

hx_err hal_line_of_isa(uint32_t isa, uint32_t *line, struct hal_line_mode *mode)
{
    (void)line;
    (void)mode;
    return isa < 16 ? HX_ENOSYS : HX_EINVAL;
}

/* Send what was raised when nothing stands in the way.  Under lock. */
static void send_if_open(struct line *line)
{
    if (!line->is_raised || line->is_masked || line->cpu_mask == 0) {
        return;
    }
    line->is_raised = false;
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (line->cpu_mask >> cpu & 1U) {
            hal_interrupt_send(cpu, line->vector);
        }
    }
}

static bool is_route_valid(uint32_t line, uint8_t vector, uint64_t cpu_mask)
{
    uint64_t existing = (1ULL << hal_cpu_count()) - 1;

    return line < HOSTED_LINE_COUNT && vector >= HAL_VECTOR_FIRST && vector <= HAL_VECTOR_LAST &&
           vector != HAL_VECTOR_SYSCALL && cpu_mask != 0 && (cpu_mask & ~existing) == 0;
}

hx_err hal_line_route(uint32_t line, uint8_t vector, uint64_t cpu_mask, struct hal_line_mode mode)
{
    if (!is_route_valid(line, vector, cpu_mask)) {
        return HX_EINVAL;
    }
    pthread_mutex_lock(&lock);
    lines[line].vector = vector;
    lines[line].cpu_mask = cpu_mask;
    lines[line].is_level = mode.level;
    send_if_open(&lines[line]);
    pthread_mutex_unlock(&lock);
    return HX_OK;
}

void hal_line_mask(uint32_t line)
{
    if (line < HOSTED_LINE_COUNT) {
        pthread_mutex_lock(&lock);
        lines[line].is_masked = true;
        pthread_mutex_unlock(&lock);
    }
}

void hal_line_unmask(uint32_t line)
{
    if (line >= HOSTED_LINE_COUNT) {
        return;
    }
    pthread_mutex_lock(&lock);
    lines[line].is_masked = false;
    send_if_open(&lines[line]);
    pthread_mutex_unlock(&lock);
}

void hosted_raise_line(uint32_t number)
{
    struct line *line = &lines[number];

    if (number >= HOSTED_LINE_COUNT) {
        return;
    }
    pthread_mutex_lock(&lock);
    line->is_raised = true;
    send_if_open(line);
    if (!line->is_level) {
        line->is_raised = false; /* an edge that nobody took is lost */
    }
    pthread_mutex_unlock(&lock);
}
