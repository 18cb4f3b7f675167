#include "source.h"

#include "output.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/helix/"

#define COMMAND_MAX 256

static bool make_path(char path[SOURCE_PATH_MAX], const char *name)
{
    int length = snprintf(path, SOURCE_PATH_MAX, ROOT "%s", name);

    if (length < 0 || length >= SOURCE_PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

/* --- what went wrong -------------------------------------------------------------------------- */

/* Whoever is confined cannot get anything back; to all others root may give it. */
static void say_refusal(const char *name, const char *rights, const char *resource,
                        const char *subject)
{
    if (strncmp(subject, "confined:", strlen("confined:")) == 0) {
        complain(ROOT "%s: you need %s on %s, and are confined; start again with helixctl run "
                      "--only '%s %s'",
                 name, rights, resource, resource, rights);
    } else {
        complain(ROOT "%s: you need %s on %s (you are %s); ask root: helixctl caps grant %s %s %s",
                 name, rights, resource, subject, subject, resource, rights);
    }
}

/* The kernel knows which capability was missing. */
static bool complain_of_refusal(const char *name)
{
    char *text = source_try_read("refused", NULL);
    struct table table;
    bool is_known = text != NULL && table_parse(&table, text);

    if (is_known) {
        const char *rights = table_value(&table, "missing");
        const char *resource = table_value(&table, "on");
        const char *subject = table_value(&table, "subject");

        is_known = strcmp(rights, "-") != 0;
        if (is_known) {
            say_refusal(name, rights, resource, subject);
        }
        table_free(&table);
    }
    free(text);
    return is_known;
}

static void complain_of_absence(const char *name)
{
    if (access(ROOT "version", F_OK) != 0) {
        complain("/helix is not there: mount -t helixfs helixfs /helix");
    } else {
        complain(ROOT "%s: this kernel has no such file", name);
    }
}

void source_complain(const char *name, const char *meaning_of_errors)
{
    int error = errno;

    if ((error == EACCES || error == EPERM) && complain_of_refusal(name)) {
        return;
    }
    if (error == ENOENT && meaning_of_errors == NULL) {
        complain_of_absence(name);
    } else if (meaning_of_errors != NULL) {
        complain(ROOT "%s: %s: %s", name, strerror(error), meaning_of_errors);
    } else {
        complain(ROOT "%s: %s", name, strerror(error));
    }
}

/* --- reading and writing ---------------------------------------------------------------------- */

/* All that a descriptor has; NULL and errno. */
static char *read_all(int file, size_t *length)
{
    size_t size = 4096;
    size_t used = 0;
    char *text = malloc(size);

    while (text != NULL) {
        ssize_t got = read(file, text + used, size - used - 1);

        if (got < 0) {
            free(text);
            return NULL;
        }
        used += (size_t)got;
        text[used] = '\0';
        if (got == 0) {
            break;
        }
        if (size - used < 2048) {
            char *larger = realloc(text, size *= 2);

            if (larger == NULL) {
                free(text);
            }
            text = larger;
        }
    }
    if (length != NULL) {
        *length = used;
    }
    return text;
}

char *source_try_read(const char *name, size_t *length)
{
    char path[SOURCE_PATH_MAX];
    char *text = NULL;
    int file = make_path(path, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (file >= 0) {
        text = read_all(file, length);
        close(file);
    }
    return text;
}

char *source_read(const char *name, size_t *length)
{
    char *text = source_try_read(name, length);

    if (text == NULL) {
        source_complain(name, NULL);
    }
    return text;
}

int source_open(const char *name, int flags)
{
    char path[SOURCE_PATH_MAX];
    int file = make_path(path, name) ? open(path, flags | O_CLOEXEC) : -1;

    if (file < 0) {
        source_complain(name, NULL);
    }
    return file;
}

bool source_write(const char *name, const char *command, const char *meaning_of_errors)
{
    int file = source_open(name, O_WRONLY);
    bool is_done;

    if (file < 0) {
        return false;
    }
    is_done = write(file, command, strlen(command)) == (ssize_t)strlen(command);
    if (!is_done) {
        source_complain(name, meaning_of_errors);
    }
    close(file);
    return is_done;
}

bool source_write_words(const char *name, char *const *words, int count,
                        const char *meaning_of_errors)
{
    char command[COMMAND_MAX];
    size_t used = 0;

    for (int i = 0; i < count; i++) {
        used += (size_t)snprintf(command + used, sizeof(command) - used, "%s%s", i > 0 ? " " : "",
                                 words[i]);
        if (used >= sizeof(command)) {
            complain("that is too long");
            return false;
        }
    }
    return source_write(name, command, meaning_of_errors);
}
