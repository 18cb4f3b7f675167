/* Commands that act: power, and running something confined. */
#include "helixctl.h"
#include "output.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFINE_MAX 4000
#define SLEEP_MAX_S 86400 /* a day; docs/helix-files.md */

/* Whether the kernel takes it as the time to sleep. */
static bool is_time(const char *text)
{
    char *end;
    unsigned long seconds = strtoul(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && seconds > 0 && seconds <= SLEEP_MAX_S;
}

static bool power_can(const char *word)
{
    static const char *const words[] = {"off", "reboot", "suspend", "resume"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

int run_power(struct request *request)
{
    if (!request_has_words(request, 1, 2)) {
        return STATUS_USAGE;
    }
    if (!power_can(request->words[0])) {
        return request_is_wrong(request, "power cannot '%s'", request->words[0]);
    }
    if (request->count == 2 && strcmp(request->words[0], "suspend") != 0) {
        return request_is_wrong(request, "'%s' is too much", request->words[1]);
    }
    if (request->count == 2 && !is_time(request->words[1])) {
        return request_is_wrong(request, "SECONDS are 1 to %d, not '%s'", SLEEP_MAX_S,
                                request->words[1]);
    }
    return source_write_words("power", request->words, request->count,
                              "the machine's state does not allow it now; "
                              "helixctl state shows it")
               ? STATUS_OK
               : STATUS_FAILED;
}

/* --- run -------------------------------------------------------------------------------------- */

/* The words of all --only, with blanks between them; false: too many. */
static bool take_rights(struct request *request, char rights[CONFINE_MAX])
{
    size_t used = 0;
    const char *pair;

    rights[0] = '\0';
    while ((pair = request_take_value(request, "--only")) != NULL) {
        used +=
            (size_t)snprintf(rights + used, CONFINE_MAX - used, "%s%s", used > 0 ? " " : "", pair);
        if (used >= CONFINE_MAX) {
            return false;
        }
    }
    return true;
}

static int execute(char **words)
{
    execvp(words[0], words);
    complain("%s: %s", words[0], strerror(errno));
    return errno == ENOENT ? 127 : 126; /* as shells do */
}

int run_confined(struct request *request)
{
    char rights[CONFINE_MAX];
    bool is_short = take_rights(request, rights);
    bool nothing = request_take_flag(request, "--nothing", NULL);

    if (!is_short) {
        return request_is_wrong(request, "these are too many rights");
    }
    if (nothing == (rights[0] != '\0')) {
        return request_is_wrong(request, "it wants either --only or --nothing");
    }
    if (request->count < 2 || strcmp(request->words[0], "--") != 0) {
        return request_is_wrong(request, "the command comes behind --");
    }
    if (!source_write("confine", nothing ? "nothing" : rights,
                      "rights are pairs like 'control:threads read'")) {
        return STATUS_FAILED;
    }
    return execute(request->words + 1);
}
