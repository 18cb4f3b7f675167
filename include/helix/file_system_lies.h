/* What tests/modules/ext2_liar answers, each time, to a read that begins at one of these offsets.
 * All else it does as ext2 does. */
#ifndef HELIX_FILE_SYSTEM_LIES_H
#define HELIX_FILE_SYSTEM_LIES_H

enum hx_file_system_lie {
    HX_FILE_SYSTEM_LIE_FOREIGN = 1001, /* HX_EBADF, which no operation has */
    HX_FILE_SYSTEM_LIE_BROKEN = 1002,  /* HX_EIO, of a disk that had nothing to say */
    HX_FILE_SYSTEM_LIE_UNTOLD = 1003,  /* HX_ESTATE, however often it was mounted */
    HX_FILE_SYSTEM_LIE_MADE_UP = 1004, /* a number that is no error */
    HX_FILE_SYSTEM_LIE_BYTES = 1005, /* the bytes from the beginning of the file on, as if right */
};

#endif
