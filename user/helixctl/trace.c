/* The flight recorder. */
#include "helixctl.h"
#include "show.h"
#include "source.h"

#include <limits.h>
#include <string.h>

static bool is_command(const char *word)
{
    static const char *const known[] = {"on", "off", "clear", "mark"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(word, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

int run_trace(struct request *request)
{
    bool shows_kinds = request_take_flag(request, "--kinds", NULL);

    if (!request_has_words(request, 0, shows_kinds ? 0 : INT_MAX)) {
        return STATUS_USAGE;
    }
    if (request->count == 0) {
        return show_table(shows_kinds ? "trace_kinds" : "trace", request->is_json, NULL, NULL);
    }
    if (!is_command(request->words[0])) {
        return request_is_wrong(request, "the recorder cannot '%s'", request->words[0]);
    }
    return source_write_words("trace", request->words, request->count,
                              "nothing was changed; helixctl trace --kinds lists the groups")
               ? STATUS_OK
               : STATUS_FAILED;
}
