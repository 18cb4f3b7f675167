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

static uint32_t least_busy(uint64_t cpus, const uint32_t busy[HAL_CPU_MAX])
{
    uint32_t least = (uint32_t)__builtin_ctzll(cpus);

    for (uint64_t left = cpus & (cpus - 1); left != 0; left &= left - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(left);

        if (busy[cpu] < busy[least]) {
            least = cpu;
        }
    }
    return least;
}

/* From a CPU that is not in the mask it has to go in any case. */
static bool pays(const struct balance_line *line, uint32_t to, uint64_t cpus,
                 const uint32_t busy[HAL_CPU_MAX], uint32_t margin)
{
    uint32_t gain = busy[line->cpu] > busy[to] ? busy[line->cpu] - busy[to] : 0;

    return (cpus >> line->cpu & 1) == 0 || (gain >= margin && gain > line->load);
}

void balance_lines(struct balance_line *lines, size_t count, uint64_t cpus,
                   uint32_t busy[HAL_CPU_MAX], uint32_t margin)
{
    sort_heaviest_first(lines, count);
    for (size_t i = 0; i < count; i++) {
        struct balance_line *line = &lines[i];
        uint32_t to = least_busy(cpus, busy);

        if (line->cpu != to && pays(line, to, cpus, busy, margin)) {
            /* Even a line that did nothing counts, so that many such do not all go to one CPU. */
            busy[line->cpu] -= line->load < busy[line->cpu] ? line->load : busy[line->cpu];
            busy[to] += line->load != 0 ? line->load : 1;
            line->cpu = to;
        }
    }
}
