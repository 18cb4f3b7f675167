/* Streams: events as they happen, and the log. */
#include "helixctl.h"
#include "output.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define TOPICS_MAX     1024

/* --- events ----------------------------------------------------------------------------------- */

/* "SECONDS TOPIC WHAT" as {"time": …, "topic": …, "what": …}. */
static void print_event_object(char *line)
{
    char *topic = strchr(line, ' ');
    char *what = topic != NULL ? strchr(topic + 1, ' ') : NULL;

    if (what == NULL) {
        return;
    }
    *topic++ = '\0';
    *what++ = '\0';
    printf("{\"time\": %s, \"topic\": \"%s\", \"what\": \"", line, topic);
    for (; *what != '\0'; what++) {
        if (*what == '"' || *what == '\\') {
            putchar('\\');
        }
        if ((unsigned char)*what >= ' ') {
            putchar(*what);
        }
    }
    puts("\"}");
}

static void print_event_line(char *line)
{
    char *topic = strchr(line, ' ');
    char *what = topic != NULL ? strchr(topic + 1, ' ') : NULL;
    enum style style = STYLE_HEADING;

    if (what == NULL) {
        puts(line);
        return;
    }
    *topic++ = '\0';
    *what++ = '\0';
    if (strcmp(topic, "dropped") == 0) {
        style = STYLE_BAD;
    }
    printf("%s%s%s %s%s%s %s\n", style_begin(STYLE_FAINT), line, style_end(STYLE_FAINT),
           style_begin(style), topic, style_end(style), what);
}

static bool choose_topics(int file, const struct request *request)
{
    char topics[TOPICS_MAX] = "";
    size_t used = 0;

    for (int i = 0; i < request->count && used < sizeof(topics); i++) {
        used += (size_t)snprintf(topics + used, sizeof(topics) - used, "%s%s", i > 0 ? " " : "",
                                 request->words[i]);
    }
    if (request->count == 0 || write(file, topics, strlen(topics)) >= 0) {
        return true;
    }
    if (errno == ENOENT || errno == EINVAL) {
        complain("there is no such topic: helixctl topics lists them");
    } else {
        source_complain("events", NULL);
    }
    return false;
}

/* Lines of a stream, each shown by a function, until so many have come; a status. */
static int print_stream(const char *name, int file, void (*show)(char *line), unsigned long count)
{
    char line[LINE_MAX_BYTES];
    FILE *stream = fdopen(file, "r");

    if (stream == NULL) {
        complain("%s", strerror(errno));
        return STATUS_FAILED;
    }
    while (count > 0 && fgets(line, sizeof(line), stream) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        show(line);
        fflush(stdout);
        count--;
    }
    if (ferror(stream)) {
        source_complain(name, NULL);
    }
    fclose(stream);
    return count == 0 ? STATUS_OK : STATUS_FAILED;
}

/* A number behind -n; 0 if it is none. */
static unsigned long parse_count(const char *text)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);

    return *end == '\0' && *text != '-' ? count : 0;
}

int run_events(struct request *request)
{
    const char *limit = request_take_value(request, "-n");
    unsigned long count = limit != NULL ? parse_count(limit) : ULONG_MAX;
    int file;

    (void)request_take_flag(request, "-f", "--follow");
    if (!request_has_words(request, 0, INT_MAX)) {
        return STATUS_USAGE;
    }
    if (count == 0) {
        return request_is_wrong(request, "'%s' is no count", limit);
    }
    file = source_open("events", request->count > 0 ? O_RDWR : O_RDONLY);
    if (file < 0) {
        return STATUS_FAILED;
    }
    if (!choose_topics(file, request)) {
        close(file);
        return STATUS_FAILED;
    }
    return print_stream("events", file, request->is_json ? print_event_object : print_event_line,
                        count);
}

/* --- system calls ----------------------------------------------------------------------------- */

static void print_plain_line(char *line)
{
    puts(line);
}

int run_audit(struct request *request)
{
    const char *limit = request_take_value(request, "-n");
    unsigned long count = limit != NULL ? parse_count(limit) : ULONG_MAX;
    int file;

    (void)request_take_flag(request, "-f", "--follow");
    if (!request_has_words(request, 0, 0)) {
        return STATUS_USAGE;
    }
    if (count == 0) {
        return request_is_wrong(request, "'%s' is no count", limit);
    }
    if (request->is_json) {
        return request_is_wrong(request, "calls are lines, so --json has no form for them");
    }
    file = source_open("audit", O_RDONLY);
    return file >= 0 ? print_stream("audit", file, print_plain_line, count) : STATUS_FAILED;
}

/* --- the log ---------------------------------------------------------------------------------- */

/* All lines there are, and then each as it is written. */
static int follow_log(void)
{
    int file = source_open("messages", O_RDONLY);

    return file >= 0 ? print_stream("messages", file, print_plain_line, ULONG_MAX) : STATUS_FAILED;
}

static int print_log(void)
{
    char *text = source_read("log", NULL);

    if (text == NULL) {
        return STATUS_FAILED;
    }
    fputs(text, stdout);
    free(text);
    return STATUS_OK;
}

int run_log(struct request *request)
{
    bool follows = request_take_flag(request, "-f", "--follow");

    if (!request_has_words(request, 0, 0)) {
        return STATUS_USAGE;
    }
    if (request->is_json) {
        return request_is_wrong(request, "the log is no table, so --json has no form for it");
    }
    return follows ? follow_log() : print_log();
}
