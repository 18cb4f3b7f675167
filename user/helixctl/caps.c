/* Capabilities: who holds what through whom, as a tree for each resource. */
#include "helixctl.h"
#include "output.h"
#include "show.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_MAX 256
#define DEPTH_MAX   64 /* the kernel's bound of derivations */

/* --- the tree --------------------------------------------------------------------------------- */

struct grants {
    struct table table;
    size_t holder, resource, through, depth, rights; /* columns */
    bool *is_shown;                                  /* by row */
};

static const char *cell(const struct grants *grants, size_t row, size_t column)
{
    return table_cell(&grants->table, row, column);
}

static unsigned long depth_of(const struct grants *grants, size_t row)
{
    return strtoul(cell(grants, row, grants->depth), NULL, 10);
}

/* Whether a row is of that resource, and comes at that depth through that holder. */
static bool comes_from(const struct grants *grants, size_t row, const char *resource,
                       const char *holder, unsigned long depth)
{
    return !grants->is_shown[row] && depth_of(grants, row) == depth &&
           strcmp(cell(grants, row, grants->resource), resource) == 0 &&
           (holder == NULL || strcmp(cell(grants, row, grants->through), holder) == 0);
}

static void print_below(struct grants *grants, const char *resource, const char *holder,
                        unsigned long depth)
{
    for (size_t row = 0; row < grants->table.rows && depth < DEPTH_MAX; row++) {
        if (!comes_from(grants, row, resource, holder, depth)) {
            continue;
        }
        grants->is_shown[row] = true;
        printf("%*s%s: %s\n", (int)(2 * depth), "", cell(grants, row, grants->holder),
               cell(grants, row, grants->rights));
        print_below(grants, resource, cell(grants, row, grants->holder), depth + 1);
    }
}

/* The lowest depth that the kernel counts from. */
static unsigned long first_depth(const struct grants *grants)
{
    unsigned long least = DEPTH_MAX;

    for (size_t row = 0; row < grants->table.rows; row++) {
        unsigned long depth = depth_of(grants, row);

        least = depth < least ? depth : least;
    }
    return least;
}

/* Every resource in the order of its first grant; how many there were. */
static unsigned print_tree(struct grants *grants, const char *wanted)
{
    unsigned long first = first_depth(grants);
    unsigned count = 0;

    for (size_t row = 0; row < grants->table.rows; row++) {
        const char *resource = cell(grants, row, grants->resource);

        if (grants->is_shown[row] || depth_of(grants, row) != first ||
            (wanted != NULL && strcmp(resource, wanted) != 0)) {
            continue;
        }
        printf("%s%s%s\n", style_begin(STYLE_HEADING), resource, style_end(STYLE_HEADING));
        print_below(grants, resource, NULL, first);
        count++;
    }
    return count;
}

static int show_grants(const char *wanted)
{
    char *text = source_read("caps", NULL);
    struct grants grants = {.is_shown = NULL};
    unsigned count = 0;

    if (text == NULL || !table_parse(&grants.table, text)) {
        free(text);
        return STATUS_FAILED;
    }
    grants.holder = table_column(&grants.table, "holder");
    grants.resource = table_column(&grants.table, "resource");
    grants.through = table_column(&grants.table, "through");
    grants.depth = table_column(&grants.table, "depth");
    grants.rights = table_column(&grants.table, "rights");
    grants.is_shown = calloc(grants.table.rows + 1, sizeof(*grants.is_shown));
    if (grants.is_shown != NULL) {
        count = print_tree(&grants, wanted);
    }
    free(grants.is_shown);
    table_free(&grants.table);
    free(text);
    if (count == 0 && wanted != NULL) {
        complain("nobody holds anything on %s", wanted);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int change(struct request *request, const char *meaning_of_errors)
{
    char command[COMMAND_MAX];
    size_t used = 0;

    for (int i = 0; i < request->count; i++) {
        if (strpbrk(request->words[i], " \t\n") != NULL || *request->words[i] == '\0') {
            return request_is_wrong(request, "'%s' is no word", request->words[i]);
        }
        used += (size_t)snprintf(command + used, sizeof(command) - used, "%s%s", i > 0 ? " " : "",
                                 request->words[i]);
        if (used >= sizeof(command)) {
            return request_is_wrong(request, "that is too long");
        }
    }
    return source_write("caps", command, meaning_of_errors) ? STATUS_OK : STATUS_FAILED;
}

static int grant(struct request *request)
{
    if (request->count != 4) {
        return request_is_wrong(request, "a grant names a subject, a resource and rights");
    }
    return change(request, "nothing was granted; a subject is root or user:1000, a resource is "
                           "control:events, rights are read,write");
}

static int revoke(struct request *request)
{
    if (request->count != 3) {
        return request_is_wrong(request, "a revocation names a subject and a resource");
    }
    return change(request, "nothing was taken back; has that subject got it from you? "
                           "helixctl caps RESOURCE shows it");
}

int run_caps(struct request *request)
{
    const char *word;

    if (!request_has_words(request, 0, 4)) {
        return STATUS_USAGE;
    }
    word = request->count > 0 ? request->words[0] : NULL;
    if (word != NULL && strcmp(word, "grant") == 0) {
        return grant(request);
    }
    if (word != NULL && strcmp(word, "revoke") == 0) {
        return revoke(request);
    }
    if (request->count > 1) {
        return request_is_wrong(request, "'%s' is too much", request->words[1]);
    }
    if (word != NULL && strcmp(word, "self") == 0) {
        return show_table("self", request->is_json, NULL, NULL);
    }
    if (word != NULL && strchr(word, ':') == NULL) {
        return request_is_wrong(request, "'%s' is no resource, like control:events", word);
    }
    return request->is_json ? show_table("caps", true, NULL, NULL) : show_grants(word);
}
