/* What looks at system calls: hooks, the policy, counts. */
#include "helixctl.h"
#include "output.h"
#include "show.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COMMAND_MAX 128
#define POLICY_MAX  4096 /* bytes that the kernel takes in one write */

int run_syscalls(struct request *request)
{
    if (!request_has_words(request, 0, 1)) {
        return STATUS_USAGE;
    }
    if (request->count == 0) {
        return show_table("syscalls", request->is_json, NULL, NULL);
    }
    if (strcmp(request->words[0], "reset") != 0) {
        return request_is_wrong(request, "counts cannot '%s'", request->words[0]);
    }
    return source_write("syscalls", "reset", NULL) ? STATUS_OK : STATUS_FAILED;
}

/* --- hooks ------------------------------------------------------------------------------------ */

static int change_hook(struct request *request, int words)
{
    char command[COMMAND_MAX];
    int length;

    if (request->count != words) {
        return request_is_wrong(request, "'%s' wants %s", request->words[0],
                                words == 2 ? "a hook's name" : "a hook's name and a number");
    }
    length = snprintf(command, sizeof(command), "%s %s %s", request->words[0], request->words[1],
                      words == 3 ? request->words[2] : "");
    if (length < 0 || (size_t)length >= sizeof(command)) {
        return request_is_wrong(request, "that is too long");
    }
    return source_write("hooks", command, "nothing was changed; helixctl hooks lists them")
               ? STATUS_OK
               : STATUS_FAILED;
}

/* Its number may begin with a minus, as an option does. */
static bool is_order(const struct request *request)
{
    return request->count > 0 && strcmp(request->words[0], "order") == 0;
}

int run_hooks(struct request *request)
{
    const char *word;

    if (is_order(request)) {
        return change_hook(request, 3);
    }
    if (!request_has_words(request, 0, 2)) {
        return STATUS_USAGE;
    }
    if (request->count == 0) {
        return show_table("hooks", request->is_json, NULL, NULL);
    }
    word = request->words[0];
    if (strcmp(word, "on") == 0 || strcmp(word, "off") == 0) {
        return change_hook(request, 2);
    }
    return request_is_wrong(request, "a hook cannot '%s'", word);
}

/* --- the policy ------------------------------------------------------------------------------- */

/* Its whole text; false: it cannot be read, or is too long, which was said. */
static bool read_policy(const char *path, char text[POLICY_MAX + 1])
{
    FILE *file = fopen(path, "r");
    size_t length;
    bool is_whole;

    if (file == NULL) {
        complain("%s: %s", path, strerror(errno));
        return false;
    }
    length = fread(text, 1, POLICY_MAX, file);
    is_whole = fgetc(file) == EOF && !ferror(file);
    fclose(file);
    if (!is_whole) {
        complain("%s: a policy has at most %d bytes", path, POLICY_MAX);
        return false;
    }
    text[length] = '\0';
    return true;
}

int run_policy(struct request *request)
{
    char text[POLICY_MAX + 1];

    if (!request_has_words(request, 0, 2)) {
        return STATUS_USAGE;
    }
    if (request->is_json) {
        return request_is_wrong(request, "the policy is no table, so --json has no form for it");
    }
    if (request->count == 0) {
        return show_file("policy");
    }
    if (request->count != 2 || strcmp(request->words[0], "load") != 0) {
        return request_is_wrong(request, "a policy can be loaded from a file, no more");
    }
    if (!read_policy(request->words[1], text)) {
        return STATUS_FAILED;
    }
    return source_write("policy", text, "the old one is in force; helixctl log says what is wrong")
               ? STATUS_OK
               : STATUS_FAILED;
}
