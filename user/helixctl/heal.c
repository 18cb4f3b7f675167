/* Self-healing: how each slot's module is, what it goes by, and the states that are kept. */
#include "helixctl.h"
#include "output.h"
#include "show.h"
#include "source.h"

#include <stdio.h>
#include <string.h>

/* --- what there is ---------------------------------------------------------------------------- */

struct slot_filter {
    const char *slot;
    unsigned rows;
};

static bool is_of_slot(const struct table *table, size_t row, void *argument)
{
    struct slot_filter *filter = argument;
    bool is_its = strcmp(table_cell(table, row, table_column(table, "slot")), filter->slot) == 0;

    filter->rows += is_its;
    return is_its;
}

/* Its row, and its checkpoints. */
static int show_slot(struct request *request, const char *slot)
{
    struct slot_filter filter = {.slot = slot};
    int status;

    if (request->is_json) {
        return request_is_wrong(request, "a slot's name and --json do not go together");
    }
    status = show_table("heal", false, is_of_slot, &filter);
    if (status == STATUS_OK && filter.rows == 0) {
        complain("there is no slot %s: helixctl heal lists them", slot);
        return STATUS_FAILED;
    }
    return status == STATUS_OK ? show_table("checkpoints", false, is_of_slot, &filter) : status;
}

/* --- what is done ----------------------------------------------------------------------------- */

/* What is told and set in a file of its own: the options, the groups. */
struct settings {
    const char *word;
    const char *file;
    const char *advice;
};

static const struct settings settings[] = {
    {"options", "heal_options", "nothing was changed; helixctl heal options says what can be"},
    {"groups", "heal_groups", "nothing was changed; helixctl log says what a group is"},
};

static const struct settings *find_settings(const char *word)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strcmp(settings[i].word, word) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

static int run_settings(struct request *request, const struct settings *which)
{
    if (request->count == 1) {
        return show_table(which->file, request->is_json, NULL, NULL);
    }
    if (request->count != 3) {
        return request_is_wrong(request, "of %s, one wants a name and a value", which->word);
    }
    return source_write_words(which->file, request->words + 1, 2, which->advice) ? STATUS_OK
                                                                                 : STATUS_FAILED;
}

static int recover(struct request *request, const char *slot)
{
    char path[SOURCE_PATH_MAX];

    if (strchr(slot, '/') != NULL || slot[0] == '.') {
        return request_is_wrong(request, "'%s' is no name", slot);
    }
    (void)snprintf(path, sizeof(path), "slots/%s/recover", slot);
    return source_write(path, "\n", "it was not recovered; helixctl log says more") ? STATUS_OK
                                                                                    : STATUS_FAILED;
}

int run_heal(struct request *request)
{
    char **words = request->words;

    if (!request_has_words(request, 0, 3)) {
        return STATUS_USAGE;
    }
    if (request->count == 0) {
        return show_table("heal", request->is_json, NULL, NULL);
    }
    if (find_settings(words[0]) != NULL) {
        return run_settings(request, find_settings(words[0]));
    }
    if (request->count == 1) {
        return show_slot(request, words[0]);
    }
    return request->count == 2 && strcmp(words[1], "recover") == 0
               ? recover(request, words[0])
               : request_is_wrong(request, "a slot cannot '%s'", words[1]);
}
