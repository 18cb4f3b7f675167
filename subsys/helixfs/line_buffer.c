#include <subsys/helixfs/line_buffer.h>

hx_err line_buffer_read(struct line_buffer *line, line_writer write_next, void *stream,
                        struct transfer *transfer, size_t *done)
{
    hx_err error = HX_OK;

    while (transfer->left > 0 && error == HX_OK) {
        size_t moved;

        if (!line_buffer_has_rest(line)) {
            error = write_next(stream);
            if (error != HX_OK) {
                break;
            }
            line->at = 0;
        }
        error = transfer_out(transfer, line->text + line->at, line->length - line->at, &moved);
        line->at += moved;
        *done += moved;
    }
    return *done > 0 ? HX_OK : error;
}
