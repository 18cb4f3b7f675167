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

static int change_option(char *const words[2])
{
    return source_write_words("heal_options", words, 2,
                              "nothing was changed; helixctl heal options says what can be")
               ? STATUS_OK
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
    if (strcmp(words[0], "options") != 0) {
        if (request->count == 1) {
            return show_slot(request, words[0]);
        }
        return request->count == 2 && strcmp(words[1], "recover") == 0
                   ? recover(request, words[0])
                   : request_is_wrong(request, "a slot cannot '%s'", words[1]);
    }
    if (request->count == 1) {
        return show_table("heal_options", request->is_json, NULL, NULL);
    }
    return request->count == 3 ? change_option(words + 1)
                               : request_is_wrong(request, "an option wants a value");
}
