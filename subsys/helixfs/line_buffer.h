/*
 * The line that a reader of a stream is in the middle of: for files whose reads give as many lines
 * as there are and as fit, and go on in the middle of one.
 */
#ifndef SUBSYS_HELIXFS_LINE_BUFFER_H
#define SUBSYS_HELIXFS_LINE_BUFFER_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <subsys/vfs/transfer.h>

#define LINE_BUFFER_SIZE 320U

/* All of it is the reader's, under the stream's mutex. */
struct line_buffer {
    char text[LINE_BUFFER_SIZE];
    size_t length;
    size_t at; /* what has been read of it */
};

static inline bool line_buffer_has_rest(const struct line_buffer *line)
{
    return line->at < line->length;
}

/* Write the stream's next line into its buffer.  Errors: HX_EAGAIN there is none. */
typedef hx_err (*line_writer)(void *stream);

/*
 * What is left of the line, then the next ones; *done grows by the bytes.
 * Context: thread, may block.  Errors: HX_EAGAIN nothing, that of the writer or of the transfer; an
 * error behind some bytes is kept for the next read.
 */
HX_MUST_USE hx_err line_buffer_read(struct line_buffer *line, line_writer write_next, void *stream,
                                    struct transfer *transfer, size_t *done);

#endif
