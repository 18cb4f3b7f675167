/* Commands that show a file and no more. */
#include "show.h"

#include "helixctl.h"
#include "output.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int show_file(const char *name)
{
    size_t length;
    char *text = source_read(name, &length);

    if (text == NULL) {
        return STATUS_FAILED;
    }
    fwrite(text, 1, length, stdout);
    free(text);
    return STATUS_OK;
}

static int show_json(const char *name)
{
    char path[SOURCE_PATH_MAX];

    (void)snprintf(path, sizeof(path), "json/%s", name);
    return show_file(path);
}

int show_table(const char *name, bool is_json, table_filter filter, void *argument)
{
    struct table table;
    char *text;

    if (is_json) {
        return show_json(name);
    }
    text = source_read(name, NULL);
    if (text == NULL) {
        return STATUS_FAILED;
    }
    if (!table_parse(&table, text)) {
        complain("%s", strerror(ENOMEM));
        free(text);
        return STATUS_FAILED;
    }
    table_print(&table, filter, argument);
    table_free(&table);
    free(text);
    return STATUS_OK;
}

int run_table(struct request *request)
{
    if (!request_has_words(request, 0, 0)) {
        return STATUS_USAGE;
    }
    return show_table(request->command->file, request->is_json, NULL, NULL);
}

int run_subsystems(struct request *request)
{
    bool is_graph = request_take_flag(request, "--dot", NULL);

    if (!request_has_words(request, 0, 0)) {
        return STATUS_USAGE;
    }
    if (is_graph && request->is_json) {
        return request_is_wrong(request, "--dot and --json do not go together");
    }
    return is_graph ? show_file("subsystems.dot") : run_table(request);
}

/* --- resources -------------------------------------------------------------------------------- */

struct owner_filter {
    const char *name;
    unsigned rows;
};

static bool is_cell(const struct table *table, size_t row, const char *column, const char *text)
{
    return strcmp(table_cell(table, row, table_column(table, column)), text) == 0;
}

static bool has_owner(const struct table *table, size_t row, void *argument)
{
    static const char by_process[] = "process:";
    struct owner_filter *filter = argument;
    bool is_his = is_cell(table, row, "owner", filter->name);

    if (strncmp(filter->name, by_process, sizeof(by_process) - 1) == 0) {
        is_his = is_cell(table, row, "process", filter->name + sizeof(by_process) - 1);
    }
    filter->rows += is_his;
    return is_his;
}

int run_resources(struct request *request)
{
    struct owner_filter filter = {.name = request_take_value(request, "--owner")};
    int status;

    if (!request_has_words(request, 0, 0)) {
        return STATUS_USAGE;
    }
    if (filter.name != NULL && request->is_json) {
        return request_is_wrong(request, "--owner and --json do not go together");
    }
    status =
        show_table("resources", request->is_json, filter.name != NULL ? has_owner : NULL, &filter);
    if (status == STATUS_OK && filter.name != NULL && filter.rows == 0) {
        complain("no owner is called %s", filter.name);
        return STATUS_FAILED;
    }
    return status;
}
