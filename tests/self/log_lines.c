#include <base/string.h>
#include <core/debug/log.h>
#include <stddef.h>
#include <tests/self/log_lines.h>
#include <tests/self/selftest.h>

uint64_t log_lines_next(void)
{
    return log_statistics().written + 1;
}

uint64_t log_lines_find(uint64_t from, const char *pattern)
{
    struct log_entry entry;

    while (log_read(from, true, &entry) == LOG_READ_RECORD) {
        if (string_matches(entry.text, pattern)) {
            return entry.number;
        }
        from = entry.number + 1;
    }
    return 0;
}

unsigned log_lines_count(uint64_t from, const char *pattern)
{
    unsigned count = 0;

    while ((from = log_lines_find(from, pattern)) != 0) {
        count++;
        from++;
    }
    return count;
}

bool log_lines_in_order(uint64_t from, const char *const *patterns)
{
    for (; *patterns != NULL; patterns++) {
        uint64_t found = log_lines_find(from, *patterns);

        if (found == 0) {
            selftest_fail(__FILE__, __LINE__, "no line \"%s\" at its place", *patterns);
            return false;
        }
        from = found + 1;
    }
    return true;
}
