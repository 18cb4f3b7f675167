/* Which errors of the module are believed. */
#include <core/gate/gate.h>
#include <hal/clock.h>
#include <subsys/mounted/mounted_private.h>

/* For so long nothing is doubted after a doubt that a second instance has not shared: what is on
 * the disk is damaged, and each error about it is not to cost an instance. */
#define BELIEF_NS (60 * HAL_NS_PER_S)

#define BIT(error) (1ULL << (error))

/* What the operations may answer but that there is nothing to say, or that the disk has failed. Who
 * has been told what it serves, and says still that it was not, answers what it cannot. */
static const uint64_t errors[FILE_SYSTEM_OPERATION_COUNT] = {
    [FILE_SYSTEM_MOUNT] = BIT(HX_EINVAL),
    [FILE_SYSTEM_LOOKUP] = BIT(HX_ENOENT) | BIT(HX_ENOTDIR),
    [FILE_SYSTEM_SET] = BIT(HX_EROFS),
    [FILE_SYSTEM_MAKE] = BIT(HX_ENOSPC) | BIT(HX_ENAMETOOLONG) | BIT(HX_EMLINK) | BIT(HX_EROFS),
    [FILE_SYSTEM_LINK] = BIT(HX_ENOSPC) | BIT(HX_EMLINK) | BIT(HX_EROFS),
    [FILE_SYSTEM_UNLINK] = BIT(HX_ENOENT) | BIT(HX_ENOTEMPTY) | BIT(HX_EROFS),
    [FILE_SYSTEM_RENAME] =
        BIT(HX_ENOENT) | BIT(HX_ENOTEMPTY) | BIT(HX_ENOSPC) | BIT(HX_EMLINK) | BIT(HX_EROFS),
    [FILE_SYSTEM_WRITE] = BIT(HX_ENOSPC) | BIT(HX_EFBIG) | BIT(HX_EROFS),
    [FILE_SYSTEM_RESIZE] = BIT(HX_EAGAIN) | BIT(HX_ENOSPC) | BIT(HX_EFBIG) | BIT(HX_EROFS),
    [FILE_SYSTEM_FORGET] = BIT(HX_EAGAIN) | BIT(HX_EROFS),
};

static bool is_of(enum file_system_operation operation, hx_err error)
{
    return error == HX_OK || ((unsigned)error < 64 && (errors[operation] & BIT(error)) != 0);
}

bool mounted_is_doubtful(const struct mounted *mounted, enum file_system_operation operation,
                         hx_err error, hx_err trouble)
{
    return !is_of(operation, error) && error != trouble &&
           hal_clock_now() >= mounted->believed_until;
}

void mounted_end_doubt(struct mounted *mounted, hx_err first, hx_err second)
{
    if (first == second) {
        mounted->believed_until = hal_clock_now() + BELIEF_NS;
    }
}
