#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_coloured;

/* ECMA-48, "select graphic rendition". */
static const char *const codes[STYLE_COUNT] = {
    [STYLE_PLAIN] = "",         [STYLE_HEADING] = "\033[1m", [STYLE_GOOD] = "\033[32m",
    [STYLE_BAD] = "\033[1;31m", [STYLE_FAINT] = "\033[2m",
};

bool output_set_colour(const char *when)
{
    const char *refused = getenv("NO_COLOR");

    is_coloured =
        strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && isatty(STDOUT_FILENO) &&
                                        (refused == NULL || *refused == '\0'));
    return is_coloured || strcmp(when, "auto") == 0 || strcmp(when, "never") == 0;
}

const char *style_begin(enum style style)
{
    return is_coloured ? codes[style] : "";
}

const char *style_end(enum style style)
{
    return is_coloured && style != STYLE_PLAIN ? "\033[0m" : "";
}

enum style style_of_word(const char *word)
{
    static const struct {
        const char *word;
        enum style style;
    } known[] = {
        {"healthy", STYLE_GOOD}, {"Running", STYLE_GOOD},     {"sick", STYLE_BAD},
        {"down", STYLE_BAD},     {"Panic", STYLE_BAD},        {"dead", STYLE_BAD},
        {"-", STYLE_FAINT},      {"Healthy", STYLE_GOOD},     {"Crashed", STYLE_BAD},
        {"Failed", STYLE_BAD},   {"Unresponsive", STYLE_BAD},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(word, known[i].word) == 0) {
            return known[i].style;
        }
    }
    return STYLE_PLAIN;
}

void complain(const char *format, ...)
{
    va_list values;

    fflush(stdout);
    fputs("helixctl: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

const char *as_size(unsigned long long bytes)
{
    static char texts[4][32];
    static unsigned next;
    char *text = texts[next++ % 4];
    const char *unit = "BKMGTPE";
    unsigned long long tenths = bytes * 10;

    for (; tenths >= 10240 && unit[1] != '\0'; unit++) {
        tenths /= 1024;
    }
    if (*unit == 'B' || tenths >= 1000) {
        (void)snprintf(text, sizeof(texts[0]), "%llu%c", tenths / 10, *unit);
    } else {
        (void)snprintf(text, sizeof(texts[0]), "%llu.%llu%c", tenths / 10, tenths % 10, *unit);
    }
    return text;
}
