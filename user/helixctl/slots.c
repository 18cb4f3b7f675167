/* Slots, and what is in them. */
#include "helixctl.h"
#include "output.h"
#include "show.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name that cannot lead out of /helix/slots. */
static bool is_name(const char *name)
{
    return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int show_slot(const char *slot)
{
    static const char *const files[] = {"active", "gate", "deaths"};
    char path[SOURCE_PATH_MAX];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *text;

        (void)snprintf(path, sizeof(path), "slots/%s/%s", slot, files[i]);
        text = source_try_read(path, NULL);
        if (text == NULL && errno == ENOENT) {
            complain("there is no slot %s: helixctl slots lists them", slot);
            return STATUS_FAILED;
        }
        if (text == NULL) {
            source_complain(path, NULL);
            return STATUS_FAILED;
        }
        printf("%s%s%s:%*s %s", style_begin(STYLE_HEADING), files[i], style_end(STYLE_HEADING),
               (int)(sizeof("active") - 1 - strlen(files[i])), "", text);
        free(text);
    }
    return STATUS_OK;
}

static int reload(const char *slot, const char *gate)
{
    char path[SOURCE_PATH_MAX];

    (void)snprintf(path, sizeof(path), "slots/%s/reload", slot);
    if (!source_write(path, gate, "the module could not be loaded; helixctl log says more")) {
        return STATUS_FAILED;
    }
    return show_slot(slot);
}

int run_slots(struct request *request)
{
    char **words = request->words;

    if (!request_has_words(request, 0, 3)) {
        return STATUS_USAGE;
    }
    if (request->count == 0) {
        return show_table("modules", request->is_json, NULL, NULL);
    }
    if (!is_name(words[0])) {
        return request_is_wrong(request, "'%s' is no name", words[0]);
    }
    if (request->count == 1) {
        return show_slot(words[0]);
    }
    if (strcmp(words[1], "reload") != 0) {
        return request_is_wrong(request, "a slot cannot '%s'", words[1]);
    }
    if (request->count == 3 && strcmp(words[2], "open") != 0 && strcmp(words[2], "user") != 0) {
        return request_is_wrong(request, "the gate is open or user, not '%s'", words[2]);
    }
    return reload(words[0], request->count == 3 ? words[2] : "\n");
}
