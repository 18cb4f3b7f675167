/* Taking a request's words apart. */
#include "helixctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void remove_word(struct request *request, int at)
{
    request->count--;
    for (int i = at; i <= request->count; i++) {
        request->words[i] = request->words[i + 1];
    }
}

/* What is behind "--" is not looked at. */
static int find(const struct request *request, const char *option)
{
    for (int i = 0; i < request->count && strcmp(request->words[i], "--") != 0; i++) {
        if (strcmp(request->words[i], option) == 0) {
            return i;
        }
    }
    return -1;
}

bool request_take_flag(struct request *request, const char *option, const char *other)
{
    int at = find(request, option);

    if (at < 0 && other != NULL) {
        at = find(request, other);
    }
    if (at < 0) {
        return false;
    }
    remove_word(request, at);
    return true;
}

const char *request_take_value(struct request *request, const char *option)
{
    size_t length = strlen(option);

    for (int i = 0; i < request->count && strcmp(request->words[i], "--") != 0; i++) {
        const char *word = request->words[i];
        const char *value = NULL;

        if (strncmp(word, option, length) != 0) {
            continue;
        }
        if (word[length] == '=') {
            value = word + length + 1;
        } else if (word[length] == '\0' && i + 1 < request->count) {
            value = request->words[i + 1];
            remove_word(request, i);
        }
        if (value != NULL) {
            remove_word(request, i);
            return value;
        }
    }
    return NULL;
}

int request_is_wrong(const struct request *request, const char *format, ...)
{
    va_list values;

    fprintf(stderr, "helixctl %s: ", request->command->name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "; it is: helixctl %s %s\n", request->command->name,
            request->command->arguments);
    return STATUS_USAGE;
}

bool request_has_words(const struct request *request, int least, int most)
{
    for (int i = 0; i < request->count; i++) {
        if (request->words[i][0] == '-') {
            request_is_wrong(request, "it has no option %s, or that lacks its value",
                             request->words[i]);
            return false;
        }
    }
    if (request->count > most) {
        request_is_wrong(request, "'%s' is too much", request->words[most]);
        return false;
    }
    if (request->count < least) {
        request_is_wrong(request, "something is missing");
        return false;
    }
    return true;
}
