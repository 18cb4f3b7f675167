/* Modules: what is in a slot, and putting something else there. */
#include "helixctl.h"
#include "output.h"
#include "source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An action: the file of the slot that it writes, and what may have gone wrong. */
struct action {
    const char *name;
    int least, most; /* words behind the slot */
    const char *trouble;
};

static const struct action actions[] = {
    {"swap", 1, 2, "it was not swapped; helixctl module info says why"},
    {"rollback", 0, 0, "it was not put back; helixctl module info says why"},
    {"load", 1, 1, "the file was not taken; helixctl log says why"},
    {"unload", 0, 2, "it stays; helixctl module info says why"},
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

/* A slot's name cannot lead out of /helix/slots. */
static bool is_name(const char *name)
{
    return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool show_file(const char *slot, const char *file, const char *heading)
{
    char path[SOURCE_PATH_MAX];
    char *text;

    (void)snprintf(path, sizeof(path), "slots/%s/%s", slot, file);
    text = source_try_read(path, NULL);
    if (text == NULL && errno == ENOENT) {
        complain("there is no slot %s: helixctl slots lists them", slot);
        return false;
    }
    if (text == NULL) {
        source_complain(path, NULL);
        return false;
    }
    if (heading[0] != '\0') {
        printf("%s%s%s\n", style_begin(STYLE_HEADING), heading, style_end(STYLE_HEADING));
    }
    fputs(text, stdout);
    free(text);
    return true;
}

static int show_info(const char *slot)
{
    return show_file(slot, "status", "status") && show_file(slot, "versions", "modules that fit") &&
                   show_file(slot, "options", "how it is swapped") &&
                   show_file(slot, "history", "what was done")
               ? STATUS_OK
               : STATUS_FAILED;
}

/* The kernel wants a file's whole path. */
static int load(const char *path, const char *file, const char *trouble)
{
    char whole[PATH_MAX];

    if (realpath(file, whole) == NULL) {
        complain("%s: %s", file, strerror(errno));
        return STATUS_FAILED;
    }
    return source_write(path, whole, trouble) ? STATUS_OK : STATUS_FAILED;
}

static int act(const struct action *action, const char *slot, char **words, int count)
{
    char path[SOURCE_PATH_MAX];
    bool is_done;

    (void)snprintf(path, sizeof(path), "slots/%s/%s", slot, action->name);
    if (strcmp(action->name, "load") == 0) {
        return load(path, words[0], action->trouble);
    }
    is_done = count > 0 ? source_write_words(path, words, count, action->trouble)
                        : source_write(path, "\n", action->trouble);
    return is_done && show_file(slot, "active", "") ? STATUS_OK : STATUS_FAILED;
}

int run_module(struct request *request)
{
    char **words = request->words;
    const struct action *action;

    if (!request_has_words(request, 2, 4)) {
        return STATUS_USAGE;
    }
    if (!is_name(words[1])) {
        return request_is_wrong(request, "'%s' is no name", words[1]);
    }
    if (request->count == 2 && strcmp(words[0], "info") == 0) {
        return show_info(words[1]);
    }
    if (request->count == 2 && strcmp(words[0], "blockers") == 0) {
        return show_file(words[1], "blockers", "") ? STATUS_OK : STATUS_FAILED;
    }
    action = find_action(words[0]);
    if (action == NULL) {
        return request_is_wrong(request, "a module cannot '%s'", words[0]);
    }
    if (request->count - 2 < action->least || request->count - 2 > action->most) {
        return request_is_wrong(request, "%s takes other words", action->name);
    }
    return act(action, words[1], words + 2, request->count - 2);
}
