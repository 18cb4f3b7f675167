/* What tests/modules/virtio_blk_liar does, each time, with a request that begins at one of these
 * sectors. All else it does as virtio_blk does. */
#ifndef HELIX_BLOCK_LIES_H
#define HELIX_BLOCK_LIES_H

enum hx_block_lie {
    HX_BLOCK_LIE_SILENT = 1001,  /* takes it, and never answers */
    HX_BLOCK_LIE_REFUSED = 1002, /* does not take it: HX_EINVAL */
    HX_BLOCK_LIE_DONE = 1003,    /* says that it went well, but no queue has had it */
    HX_BLOCK_LIE_FAILED = 1004,  /* says that the device failed, which was not asked */
    HX_BLOCK_LIE_HALF = 1005,  /* once: is to be started anew, and has half of the capacity then */
    HX_BLOCK_LIE_STUCK = 1006, /* is to be started anew, and does not start any more */
    HX_BLOCK_LIE_ELSEWHERE = 1007, /* asks the device for the sector after it */
    HX_BLOCK_LIE_DEAF = 1008,      /* does it, and from then on never answers a flush */
};

#endif
