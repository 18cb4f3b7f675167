/* Names, sentences and POSIX numbers of errors, from the one list. */
#include <helix/error.h>

#define POSIX_EIO 5

#define ERROR_NAME_CASE(name, number, posix, text)                                                 \
    case name:                                                                                     \
        return #name;
#define ERROR_TEXT_CASE(name, number, posix, text)                                                 \
    case name:                                                                                     \
        return text;
#define ERROR_ERRNO_CASE(name, number, posix, text)                                                \
    case name:                                                                                     \
        return posix;

#define ERROR_KNOWN_CASE(name, number, posix, text) case name:

bool hx_error_is_known(uint64_t number)
{
    switch (number) {
        HX_ERROR_LIST(ERROR_KNOWN_CASE)
        return true;
    default:
        return false;
    }
}

const char *hx_error_name(hx_err error)
{
    switch (error) {
        HX_ERROR_LIST(ERROR_NAME_CASE)
    default:
        return "HX_?";
    }
}

const char *hx_error_text(hx_err error)
{
    switch (error) {
        HX_ERROR_LIST(ERROR_TEXT_CASE)
    default:
        return "an unknown error";
    }
}

int hx_error_errno(hx_err error)
{
    switch (error) {
        HX_ERROR_LIST(ERROR_ERRNO_CASE)
    default:
        return POSIX_EIO;
    }
}
