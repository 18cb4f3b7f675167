/* What the checks of /helix share: each ends the program at the first thing that does not hold. */
#ifndef HELIX_EVENTS_H
#define HELIX_EVENTS_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s, line %d: %s does not hold (errno %d)\n", __FILE__, __LINE__, #condition,   \
                   errno);                                                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define BUFFER_SIZE (1 << 20)
extern char buffer[BUFFER_SIZE]; /* of whoever reads */

/* A whole file, in pieces of so many bytes, into the buffer, with a NUL behind it. */
size_t read_file(const char *path, size_t piece);
void write_file(const char *path, const char *text);

/* A column of the row of /helix/topics that begins with a name: 1 subscribers, 2 published. */
unsigned long topic_number(const char *topic, int column);

/* A stream that hears processes alone. */
int open_stream(int flags);

/* So many children that end at once: two events each. */
void make_events(int children);

struct heard {
    unsigned long events, dropped;
};

/* What is in a stream that does not block, from which so many bytes are taken at a time. */
struct heard drain(int file, size_t piece);

/* The checks. */
void slow(void);
void pieces(void);
void polled(void);
void woken(void);
void many(void);
void killed(void);
void topics(void);
void calls(void);
void audited(void);
void messages(void);
void channels(void);
void big(void);

#endif
