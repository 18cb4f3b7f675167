/* helixctl without a command: how the machine is, in a few lines. */
#include "helixctl.h"
#include "output.h"
#include "show.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first three numbers of /proc/loadavg. */
static void print_load(void)
{
    char text[64] = "";
    FILE *file = fopen("/proc/loadavg", "r");

    if (file != NULL) {
        if (fgets(text, sizeof(text), file) != NULL) {
            char *end = text;

            for (int i = 0; i < 3 && end != NULL; i++) {
                end = strchr(end + (i > 0), ' ');
            }
            printf(", load %.*s", end != NULL ? (int)(end - text) : 0, text);
        }
        fclose(file);
    }
}

static void print_time(unsigned long long milliseconds)
{
    unsigned long long seconds = milliseconds / 1000;

    if (seconds >= 86400) {
        printf("%llu days ", seconds / 86400);
    }
    printf("%llu:%02llu:%02llu", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

static void print_state(const struct table *state)
{
    const char *word = table_value(state, "state");
    bool is_healthy = strcmp(table_value(state, "healthy"), "yes") == 0;
    enum style health = is_healthy ? STYLE_GOOD : STYLE_BAD;
    unsigned long long total = table_number(state, 0, "memory_total");

    printf("Helix %s, %s%s%s, %s%s%s, up ", table_value(state, "version"),
           style_begin(style_of_word(word)), word, style_end(style_of_word(word)),
           style_begin(health), is_healthy ? "healthy" : "not healthy: helixctl components",
           style_end(health));
    print_time(table_number(state, 0, "uptime_ms"));
    printf("\nprocessors: %s of %s%s", table_value(state, "cpus_online"),
           table_value(state, "cpus"), "");
    print_load();
    printf("\nmemory: %s used of %s, kernel heap %s\n",
           as_size(total - table_number(state, 0, "memory_free")), as_size(total),
           as_size(table_number(state, 0, "heap")));
    printf("running: %s processes, %s threads\n", table_value(state, "processes"),
           table_value(state, "threads"));
}

int run_overview(struct request *request)
{
    struct table state;
    char *text;

    if (request->is_json) {
        return show_table("state", true, NULL, NULL);
    }
    text = source_read("state", NULL);
    if (text == NULL) {
        return STATUS_FAILED;
    }
    if (table_parse(&state, text)) {
        print_state(&state);
        table_free(&state);
    }
    free(text);
    putchar('\n');
    for (const struct command *each = commands; each->name != NULL; each++) {
        printf("  %s%-12s%s %s\n", style_begin(STYLE_HEADING), each->name, style_end(STYLE_HEADING),
               each->meaning);
    }
    printf("\nhelixctl COMMAND --help says more about each.\n");
    return STATUS_OK;
}
