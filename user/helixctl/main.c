/* helixctl [OPTION…] [COMMAND [WORD…]]: general options, and which command it is. */
#include "helixctl.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

/* Edits from one word to another (Levenshtein), for short words. */
static unsigned distance(const char *from, const char *to)
{
    unsigned row[32];
    size_t length = strlen(to);

    if (length >= sizeof(row) / sizeof(row[0])) {
        return ~0U;
    }
    for (unsigned i = 0; i <= length; i++) {
        row[i] = i;
    }
    for (unsigned at = 1; *from != '\0'; from++, at++) {
        unsigned diagonal = row[0];

        row[0] = at;
        for (size_t i = 1; i <= length; i++) {
            unsigned changed = diagonal + (to[i - 1] != *from);
            unsigned least = row[i] < row[i - 1] ? row[i] + 1 : row[i - 1] + 1;

            diagonal = row[i];
            row[i] = changed < least ? changed : least;
        }
    }
    return row[length];
}

static const char *nearest_command(const char *name)
{
    const char *nearest = NULL;
    unsigned least = 3; /* further away it is another word */

    for (const struct command *each = commands; each->name != NULL; each++) {
        unsigned edits = distance(name, each->name);

        if (edits < least) {
            least = edits;
            nearest = each->name;
        }
    }
    return nearest;
}

static int say_unknown(const char *name)
{
    const char *nearest = nearest_command(name);

    if (name[0] == '-') {
        complain("there is no option %s; helixctl --help lists them", name);
    } else if (nearest != NULL) {
        complain("there is no command %s; do you mean helixctl %s?", name, nearest);
    } else {
        complain("there is no command %s; helixctl --help lists them", name);
    }
    return STATUS_USAGE;
}

/* General options stand anywhere before "--". */
struct general {
    bool is_json;
    bool wants_help;
    const char *colour;
};

static struct general take_general(struct request *request)
{
    struct general general = {.colour = request_take_value(request, "--color")};

    general.is_json = request_take_flag(request, "--json", NULL);
    general.wants_help = request_take_flag(request, "--help", "-h");
    return general;
}

static int run_command(struct request *request, bool wants_help)
{
    const char *name = request->words[0];

    request->command = command_find(name);
    if (request->command == NULL) {
        return say_unknown(name);
    }
    if (wants_help) {
        help_print_command(request->command);
        return STATUS_OK;
    }
    request->words++;
    request->count--;
    return request->command->run(request);
}

int main(int count, char **words)
{
    struct request request = {.words = words + 1, .count = count - 1};
    struct general general = take_general(&request);
    int status;

    if (!output_set_colour(general.colour != NULL ? general.colour : "auto")) {
        complain("--color is always, never or auto, not %s", general.colour);
        return STATUS_USAGE;
    }
    request.is_json = general.is_json;
    if (request.count > 0) {
        status = run_command(&request, general.wants_help);
    } else if (general.wants_help) {
        help_print();
        status = STATUS_OK;
    } else {
        status = run_overview(&request);
    }
    if (fflush(stdout) != 0 && status == STATUS_OK) {
        status = STATUS_FAILED;
    }
    return status;
}
