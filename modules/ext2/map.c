/*
 * Pointers to blocks: 12 in the inode, then blocks of pointers, blocks of those, and blocks of
 * those in turn.
 */
#include <../modules/ext2/inode.h>
#include <helix/disk.h>

#define LEVELS  3U
#define RUN_MAX 64U  /* pointers that are looked at together */
#define CUT_MAX 512U /* blocks that one call gives back, more or less */

/* The way to a block: which pointer of the inode, then which one of each block of pointers. */
struct way {
    uint32_t levels; /* blocks of pointers on it */
    uint32_t root;
    uint32_t indices[LEVELS];
};

static uint32_t pointers_in_block(void)
{
    return volume.block_size / sizeof(uint32_t);
}

/* How many blocks a pointer leads to that has so many levels below. */
static uint64_t reach(uint32_t levels)
{
    uint64_t blocks = 1;

    for (uint32_t i = 0; i < levels; i++) {
        blocks *= pointers_in_block();
    }
    return blocks;
}

/* Errors: HX_EFBIG. */
static hx_err find_way(uint64_t index, struct way *way)
{
    *way = (struct way){.root = (uint32_t)index};
    if (index < DIRECT_BLOCKS) {
        return HX_OK;
    }
    index -= DIRECT_BLOCKS;
    for (way->levels = 1; index >= reach(way->levels); way->levels++) {
        if (way->levels == LEVELS) {
            return HX_EFBIG;
        }
        index -= reach(way->levels);
    }
    way->root = DIRECT_BLOCKS + way->levels - 1;
    for (uint32_t i = 0; i < way->levels; i++) {
        uint64_t below = reach(way->levels - 1 - i);

        way->indices[i] = (uint32_t)(index / below);
        index %= below;
    }
    return HX_OK;
}

static uint64_t offset_of_pointer(uint32_t block, uint32_t index)
{
    return offset_of_block(block) + (uint64_t)index * sizeof(uint32_t);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* How many of the pointers lead to blocks in a row, or to none. */
static uint32_t length_of_run(const uint32_t *pointers, uint32_t count)
{
    uint32_t length = 1;

    while (length < count && pointers[length] == (pointers[0] == 0 ? 0 : pointers[0] + length)) {
        length++;
    }
    return length;
}

static hx_err answer_run(const uint32_t *pointers, uint32_t count, uint32_t *block, uint32_t *found)
{
    *block = pointers[0];
    *found = length_of_run(pointers, count);
    return *block == 0 || (is_block(*block) && is_block((uint64_t)*block + *found - 1)) ? HX_OK
                                                                                        : HX_EIO;
}

/* The block of pointers that the last index of the way is of; 0: it is not there. */
static hx_err find_last(const struct inode *inode, const struct way *way, uint32_t *last)
{
    hx_err error = HX_OK;

    *last = inode->pointers[way->root];
    for (uint32_t i = 0; i + 1 < way->levels && *last != 0 && error == HX_OK; i++) {
        error = is_block(*last)
                    ? hx_disk_read(offset_of_pointer(*last, way->indices[i]), last, sizeof(*last))
                    : HX_EIO;
    }
    return error == HX_OK && *last != 0 && !is_block(*last) ? HX_EIO : error;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static hx_err find_indirect(const struct inode *inode, const struct way *way, uint32_t max,
                            uint32_t *block, uint32_t *count)
{
    uint32_t pointers[RUN_MAX];
    uint32_t index = way->indices[way->levels - 1];
    uint32_t wanted = least(least(max, RUN_MAX), pointers_in_block() - index);
    uint32_t last;
    hx_err error = find_last(inode, way, &last);

    if (error != HX_OK) {
        return error;
    }
    if (last == 0) {
        *block = 0;
        *count = wanted;
        return HX_OK;
    }
    error = hx_disk_read(offset_of_pointer(last, index), pointers, wanted * sizeof(*pointers));
    return error == HX_OK ? answer_run(pointers, wanted, block, count) : error;
}

hx_err map_find(const struct inode *inode, uint64_t index, uint32_t max, uint32_t *block,
                uint32_t *count)
{
    struct way way;

    if (find_way(index, &way) != HX_OK) {
        return HX_EIO;
    }
    if (way.levels == 0) {
        return answer_run(&inode->pointers[way.root], least(max, DIRECT_BLOCKS - way.root), block,
                          count);
    }
    return find_indirect(inode, &way, max, block, count);
}

/* --- making ----------------------------------------------------------------------------------- */

static void count_block(struct inode *inode, int32_t difference)
{
    inode->sectors += (uint32_t)(difference * (int32_t)(volume.block_size / 512));
}

static hx_err clear_block(uint32_t block)
{
    static const uint8_t zeros[BLOCK_SIZE_MAX];

    return hx_disk_write(offset_of_block(block), zeros, volume.block_size);
}

/* Behind the block before it, or where the inode's group begins. */
static uint32_t goal_for(uint64_t number, const struct inode *inode, uint64_t index)
{
    uint32_t before = 0;
    uint32_t count;

    if (index > 0 && map_find(inode, index - 1, 1, &before, &count) == HX_OK && before != 0) {
        return before + 1;
    }
    return volume.first_block + group_of_inode((uint32_t)number) * volume.blocks_per_group;
}

/* Follow a pointer that stands at an offset of the disk; one that leads nowhere gets a block of
 * empty pointers. */
static hx_err step(struct inode *inode, uint64_t offset, uint32_t goal, uint32_t *block)
{
    hx_err error = hx_disk_read(offset, block, sizeof(*block));

    if (error != HX_OK || *block != 0) {
        return error;
    }
    error = block_allocate(goal, block);
    if (error == HX_OK) {
        count_block(inode, 1);
        error = hx_disk_write(offset, block, sizeof(*block));
    }
    return error == HX_OK ? clear_block(*block) : error;
}

static hx_err make_root(struct inode *inode, uint32_t root, uint32_t goal, bool *is_new)
{
    hx_err error = HX_OK;

    *is_new = inode->pointers[root] == 0;
    if (*is_new) {
        error = block_allocate(goal, &inode->pointers[root]);
        if (error == HX_OK) {
            count_block(inode, 1);
        }
    }
    return error == HX_OK && !is_block(inode->pointers[root]) ? HX_EIO : error;
}

/* The last pointer of a way leads to the block itself, whose contents are the caller's. */
static hx_err make_last(struct inode *inode, uint64_t offset, uint32_t goal, uint32_t *block,
                        bool *is_new)
{
    hx_err error = hx_disk_read(offset, block, sizeof(*block));

    if (error != HX_OK) {
        return error;
    }
    *is_new = *block == 0;
    if (*is_new) {
        error = block_allocate(goal, block);
        if (error == HX_OK) {
            count_block(inode, 1);
            error = hx_disk_write(offset, block, sizeof(*block));
        }
    }
    return error == HX_OK && !is_block(*block) ? HX_EIO : error;
}

static hx_err make_below(struct inode *inode, const struct way *way, uint32_t goal, uint32_t *block,
                         bool *is_new)
{
    uint32_t here = inode->pointers[way->root];
    hx_err error = HX_OK;

    for (uint32_t i = 0; i + 1 < way->levels && error == HX_OK; i++) {
        error = step(inode, offset_of_pointer(here, way->indices[i]), goal, &here);
        if (error == HX_OK && !is_block(here)) {
            error = HX_EIO;
        }
    }
    return error == HX_OK ? make_last(inode, offset_of_pointer(here, way->indices[way->levels - 1]),
                                      goal, block, is_new)
                          : error;
}

hx_err map_make(uint64_t number, struct inode *inode, uint64_t index, uint32_t *block, bool *is_new)
{
    struct way way;
    uint32_t goal;
    hx_err error = find_way(index, &way);

    if (error != HX_OK) {
        return error;
    }
    goal = goal_for(number, inode, index);
    error = make_root(inode, way.root, goal, is_new);
    if (error == HX_OK && way.levels > 0) {
        error = *is_new ? clear_block(inode->pointers[way.root]) : HX_OK;
        return error == HX_OK ? make_below(inode, &way, goal, block, is_new) : error;
    }
    *block = inode->pointers[way.root];
    return error;
}

/* --- cutting ---------------------------------------------------------------------------------- */

/* A cut under way. */
struct cutting {
    struct inode *inode;
    uint64_t index; /* the first block that goes */
    uint64_t end;   /* the last one that went */
    uint32_t left;  /* blocks that may still be looked at */
};

static hx_err give_back(struct cutting *cutting, uint32_t *pointer)
{
    hx_err error = block_free(*pointer);

    if (error == HX_OK) {
        count_block(cutting->inode, -1);
        *pointer = 0;
    }
    cutting->left -= cutting->left > 0 ? 1 : 0;
    return error;
}

static hx_err cut_branch(struct cutting *cutting, uint32_t *pointer, uint32_t levels,
                         uint64_t first);

/* The pointers of a block, the last one first, until the cut's beginning or the call's limit. */
static hx_err cut_pointers(struct cutting *cutting, uint32_t *pointers, uint32_t levels,
                           uint64_t first)
{
    uint64_t below = reach(levels - 1);
    hx_err error = HX_OK;

    for (uint32_t i = pointers_in_block(); i-- > 0 && error == HX_OK && cutting->left > 0;) {
        uint64_t here = first + i * below;

        if (here + below <= cutting->index) {
            break;
        }
        error = cut_branch(cutting, &pointers[i], levels - 1, here);
    }
    return error;
}

static bool is_all_zero(const uint32_t *pointers)
{
    uint32_t i = 0;

    while (i < pointers_in_block() && pointers[i] == 0) {
        i++;
    }
    return i == pointers_in_block();
}

/* A block of pointers: what is left of it is written, or it goes with them. */
static hx_err cut_block(struct cutting *cutting, uint32_t *pointer, uint32_t levels, uint64_t first)
{
    static uint32_t pointers[LEVELS][BLOCK_SIZE_MAX / sizeof(uint32_t)];
    uint32_t *here = pointers[levels - 1];
    hx_err error = hx_disk_read(offset_of_block(*pointer), here, volume.block_size);

    cutting->left -= cutting->left > 0 ? 1 : 0;
    if (error == HX_OK) {
        error = cut_pointers(cutting, here, levels, first);
    }
    if (error != HX_OK) {
        return error;
    }
    return is_all_zero(here) ? give_back(cutting, pointer)
                             : hx_disk_write(offset_of_block(*pointer), here, volume.block_size);
}

/* What a pointer leads to that covers the blocks from first on. */
static hx_err cut_branch(struct cutting *cutting, uint32_t *pointer, uint32_t levels,
                         uint64_t first)
{
    if (*pointer == 0) {
        return HX_OK;
    }
    if (!is_block(*pointer)) {
        return HX_EIO;
    }
    if (levels > 0) {
        return cut_block(cutting, pointer, levels, first);
    }
    cutting->end = first;
    return give_back(cutting, pointer);
}

/* The first block that a pointer of the inode leads to. */
static uint64_t first_under(uint32_t root)
{
    uint64_t first = root < DIRECT_BLOCKS ? root : DIRECT_BLOCKS;

    for (uint32_t levels = 1; root >= DIRECT_BLOCKS + levels; levels++) {
        first += reach(levels);
    }
    return first;
}

hx_err map_cut(struct inode *inode, uint64_t index, uint64_t *end, bool *is_done)
{
    struct cutting cutting = {.inode = inode, .index = index, .end = UINT64_MAX, .left = CUT_MAX};
    hx_err error = HX_OK;

    for (uint32_t root = POINTERS; root-- > 0 && error == HX_OK && cutting.left > 0;) {
        uint32_t levels = root < DIRECT_BLOCKS ? 0 : root - DIRECT_BLOCKS + 1;
        uint64_t first = first_under(root);

        if (first + reach(levels) <= index) {
            break;
        }
        error = cut_branch(&cutting, &inode->pointers[root], levels, first);
    }
    *end = cutting.end;
    *is_done = cutting.left > 0;
    return error;
}
