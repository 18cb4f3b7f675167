#include <base/memory.h>
#include <core/interrupts/balance.h>
#include <stdbool.h>

static void sort_heaviest_first(struct balance_line *lines, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct balance_line line = lines[i];
        size_t place = i;

        for (; place > 0 && lines[place - 1].load < line.load; place--) {
            lines[place] = lines[place - 1];
        }
        lines[place] = line;
    }
}

/* Of several, the preferred CPU, if it is in the mask. */
static uint32_t least_busy(uint64_t cpus, const uint32_t busy[HAL_CPU_MAX], uint32_t preferred)
{
    uint32_t least = (cpus >> preferred & 1) != 0 ? preferred : (uint32_t)__builtin_ctzll(cpus);

    for (uint64_t left = cpus; left != 0; left &= left - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(left);

        if (busy[cpu] < busy[least]) {
            least = cpu;
        }
    }
    return least;
}

static uint32_t most_of(uint64_t cpus, const uint32_t busy[HAL_CPU_MAX])
{
    uint32_t most = 0;

    for (uint64_t left = cpus; left != 0; left &= left - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(left);

        most = busy[cpu] > most ? busy[cpu] : most;
    }
    return most;
}

static uint32_t spread(uint64_t cpus, const uint32_t busy[HAL_CPU_MAX])
{
    return most_of(cpus, busy) - busy[least_busy(cpus, busy, 0)];
}

static void take(const struct balance_line *line, uint32_t from, uint32_t busy[HAL_CPU_MAX])
{
    busy[from] -= line->load < busy[from] ? line->load : busy[from];
}

/* Even a line that did nothing counts, so that many such do not all go to one CPU. */
static void give(const struct balance_line *line, uint32_t to, uint32_t busy[HAL_CPU_MAX])
{
    busy[to] += line->load != 0 ? line->load : 1;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Where each line would go if they were all placed anew, and how busy CPUs would be. */
static void plan(struct balance_line *lines, size_t count, uint64_t cpus,
                 uint32_t planned[HAL_CPU_MAX])
{
    for (size_t i = 0; i < count; i++) {
        take(&lines[i], lines[i].cpu, planned);
    }
    for (size_t i = 0; i < count; i++) {
        lines[i].planned = least_busy(cpus, planned, lines[i].cpu);
        give(&lines[i], lines[i].planned, planned);
    }
}

/* No CPU is busier than one was, and they differ by less than the margin, or that much less. */
static bool is_better(const uint32_t planned[HAL_CPU_MAX], const uint32_t busy[HAL_CPU_MAX],
                      uint64_t cpus, uint32_t margin)
{
    uint32_t then = spread(cpus, planned);

    return most_of(cpus, planned) <= most_of(cpus, busy) &&
           (then < margin || then + margin <= spread(cpus, busy));
}

static void place_anew(struct balance_line *lines, size_t count, uint64_t cpus,
                       uint32_t busy[HAL_CPU_MAX], uint32_t margin)
{
    uint32_t planned[HAL_CPU_MAX];

    memcpy(planned, busy, sizeof(planned));
    plan(lines, count, cpus, planned);
    if (is_better(planned, busy, cpus, margin)) {
        memcpy(busy, planned, sizeof(planned));
        for (size_t i = 0; i < count; i++) {
            lines[i].cpu = lines[i].planned;
        }
    }
}

/* --- one by one ------------------------------------------------------------------------------- */

/* From a CPU that is not in the mask it has to go in any case. */
static bool pays(const struct balance_line *line, uint32_t to, uint64_t cpus,
                 const uint32_t busy[HAL_CPU_MAX], uint32_t margin)
{
    uint32_t gain = busy[line->cpu] > busy[to] ? busy[line->cpu] - busy[to] : 0;

    return (cpus >> line->cpu & 1) == 0 || (gain >= margin && gain > line->load);
}

static void move_what_pays(struct balance_line *line, uint64_t cpus, uint32_t busy[HAL_CPU_MAX],
                           uint32_t margin)
{
    uint32_t to = least_busy(cpus, busy, line->cpu);

    if (line->cpu != to && pays(line, to, cpus, busy, margin)) {
        take(line, line->cpu, busy);
        give(line, to, busy);
        line->cpu = to;
    }
}

void balance_lines(struct balance_line *lines, size_t count, uint64_t cpus,
                   uint32_t busy[HAL_CPU_MAX], uint32_t margin)
{
    sort_heaviest_first(lines, count);
    if (spread(cpus, busy) >= margin) {
        place_anew(lines, count, cpus, busy, margin);
    }
    for (size_t i = 0; i < count; i++) {
        move_what_pays(&lines[i], cpus, busy, margin);
    }
}
