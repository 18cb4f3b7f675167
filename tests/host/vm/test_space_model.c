/*
 * Any sequence of changes, reads and writes in spaces that fork, against a plain model that keeps
 * two bytes of every page; and the same memory with each allocation failing in turn.
 */
#include <tests/host/random.h>
#include <tests/host/vm/vm_machine.h>

#define AREA    64U /* pages of a space that are used */
#define SPACES  4U
#define OBJECTS 12U /* the first two are files of the test's own */
#define FILES   2U
#define NONE    UINT32_MAX

static const size_t offsets[2] = {0, PAGE - 1}; /* of the bytes that are kept */

struct model_page {
    bool is_mapped;
    bool is_own; /* the space has a page of its own */
    unsigned flags;
    uint32_t object; /* NONE: anonymous */
    uint32_t index;  /* in the object */
    unsigned char bytes[2];
};

struct model_object {
    struct memory_object *object; /* of a file */
    uint64_t size;
    unsigned char bytes[AREA][2];
};

static struct {
    struct address_space *space;
    struct model_page pages[AREA];
} spaces[SPACES];
static struct model_object objects[OBJECTS];
static uint64_t seed;

#define AGREE(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);                              \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

/* --- files ------------------------------------------------------------------------------------ */

static unsigned char filled(uint64_t index)
{
    return (unsigned char)(100 + index);
}

static hx_err fill_with_number(struct memory_object *object, uint64_t index, void *page)
{
    (void)object;
    *(unsigned char *)page = filled(index);
    return HX_OK;
}

static const struct memory_object_ops numbered = {.fill = fill_with_number};

static uint64_t pages_for(uint64_t size)
{
    return (size + PAGE - 1) / PAGE;
}

static void open_files(void)
{
    for (uint32_t i = 0; i < FILES; i++) {
        objects[i].size = AREA * PAGE / 2;
        CHECK(memory_object_create(&numbered, NULL, objects[i].size, vm_owner,
                                   &objects[i].object) == HX_OK);
        for (uint32_t index = 0; index < AREA; index++) {
            objects[i].bytes[index][0] = filled(index);
            objects[i].bytes[index][1] = 0;
        }
    }
}

/* --- the model -------------------------------------------------------------------------------- */

static bool is_object_used(uint32_t object)
{
    for (size_t s = 0; s < SPACES; s++) {
        for (size_t i = 0; i < AREA; i++) {
            if (spaces[s].space != NULL && spaces[s].pages[i].is_mapped &&
                spaces[s].pages[i].object == object) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t unused_object(void)
{
    for (uint32_t i = FILES; i < OBJECTS; i++) {
        if (!is_object_used(i)) {
            return i;
        }
    }
    return NONE;
}

/* Whether page b continues page a in one mapping. */
static bool do_fit(const struct model_page *a, const struct model_page *b)
{
    return a->is_mapped && b->is_mapped && a->flags == b->flags && a->object == b->object &&
           (a->object == NONE || a->index + 1 == b->index);
}

static bool is_one_mapping(const struct model_page *pages, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (!do_fit(&pages[i - 1], &pages[i])) {
            return false;
        }
    }
    return pages[0].is_mapped;
}

static bool is_whole(const struct model_page *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!pages[i].is_mapped) {
            return false;
        }
    }
    return true;
}

/* The bytes a page shows; NULL: beyond the end of its object. */
static unsigned char *model_bytes(struct model_page *page)
{
    if (page->is_own || page->object == NONE) {
        return page->bytes;
    }
    return page->index < pages_for(objects[page->object].size)
               ? objects[page->object].bytes[page->index]
               : NULL;
}

static unsigned expected_read(struct model_page *page, unsigned byte)
{
    const unsigned char *bytes = model_bytes(page);

    if (!page->is_mapped) {
        return VM_ERROR(HX_EFAULT);
    }
    if ((page->flags & MAPPING_ACCESS) == 0) {
        return VM_ERROR(HX_EACCES);
    }
    return bytes != NULL ? bytes[byte] : VM_ERROR(HX_ENXIO);
}

/* --- single steps ----------------------------------------------------------------------------- */

static void check_page(size_t s, size_t page)
{
    for (unsigned byte = 0; byte < 2; byte++) {
        AGREE(vm_read(spaces[s].space, at(page) + offsets[byte]) ==
              expected_read(&spaces[s].pages[page], byte));
    }
}

static void check_all(void)
{
    for (size_t s = 0; s < SPACES; s++) {
        uint64_t mapped = 0;

        for (size_t page = 0; spaces[s].space != NULL && page < AREA; page++) {
            check_page(s, page);
            mapped += spaces[s].pages[page].is_mapped;
        }
        AGREE(spaces[s].space == NULL ||
              vm_statistics(spaces[s].space).mapped_bytes == mapped * PAGE);
    }
}

static void step_write(size_t s, size_t at_page)
{
    struct model_page *page = &spaces[s].pages[at_page];
    unsigned byte = (unsigned)random_below(2);
    unsigned char value = (unsigned char)random_u64();
    unsigned char *bytes = model_bytes(page);
    hx_err expected = !page->is_mapped                     ? HX_EFAULT
                      : (page->flags & MAPPING_WRITE) == 0 ? HX_EACCES
                      : bytes == NULL                      ? HX_ENXIO
                                                           : HX_OK;

    AGREE(vm_write(spaces[s].space, at(at_page) + offsets[byte], value) == expected);
    if (expected != HX_OK) {
        return;
    }
    if ((page->flags & MAPPING_SHARED) == 0 && !page->is_own) {
        memmove(page->bytes, bytes, sizeof page->bytes);
        page->is_own = true;
    }
    model_bytes(page)[byte] = value;
}

static unsigned random_access(void)
{
    static const unsigned accesses[] = {0, MAPPING_READ, RW, RW, MAPPING_READ | MAPPING_EXECUTE};

    return accesses[random_below(HX_ARRAY_SIZE(accesses))];
}

static void model_map(struct model_page *pages, size_t count, unsigned flags, uint32_t object,
                      uint32_t index)
{
    for (size_t i = 0; i < count; i++) {
        pages[i] = (struct model_page){.is_mapped = true,
                                       .flags = flags,
                                       .object = object,
                                       .index = object == NONE ? 0 : index + (uint32_t)i};
    }
}

static void step_map(size_t s, size_t page, size_t count)
{
    unsigned flags = random_access();
    uint32_t object = (uint32_t)random_below(4); /* 0, 1: files; 2: anonymous; 3: and shared */
    uint32_t first = (uint32_t)random_below(AREA / 2);

    if (object == 3) {
        object = unused_object();
        flags |= MAPPING_SHARED | MAPPING_MAY_WRITE;
        if (object == NONE) {
            return;
        }
        AGREE(vm_map_at(spaces[s].space, page, count, flags) == HX_OK);
        objects[object] = (struct model_object){.size = count * PAGE};
        model_map(&spaces[s].pages[page], count, flags, object, 0);
    } else if (object == 2) {
        AGREE(vm_map_at(spaces[s].space, page, count, flags) == HX_OK);
        model_map(&spaces[s].pages[page], count, flags, NONE, 0);
    } else {
        flags |= random_below(2) == 0 ? MAPPING_SHARED : 0U;
        if ((flags & MAPPING_SHARED) != 0 && (flags & MAPPING_WRITE) != 0) {
            flags |= MAPPING_MAY_WRITE;
        }
        first = first + count <= AREA ? first : 0;
        AGREE(vm_map_object(spaces[s].space, page, count, flags, objects[object].object, first) ==
              HX_OK);
        model_map(&spaces[s].pages[page], count, flags, object, first);
    }
}

static void step_unmap(size_t s, size_t page, size_t count)
{
    AGREE(address_space_unmap(spaces[s].space, at(page), count * PAGE) == HX_OK);
    memset(&spaces[s].pages[page], 0, count * sizeof spaces[s].pages[page]);
}

static void step_protect(size_t s, size_t page, size_t count)
{
    struct model_page *pages = &spaces[s].pages[page];
    unsigned access = random_access();
    hx_err expected = is_whole(pages, count) ? HX_OK : HX_ENOMEM;

    for (size_t i = 0; i < count && expected == HX_OK; i++) {
        if ((access & MAPPING_WRITE) != 0 &&
            (pages[i].flags & (MAPPING_SHARED | MAPPING_MAY_WRITE)) == MAPPING_SHARED) {
            expected = HX_EACCES;
        }
    }
    AGREE(address_space_protect(spaces[s].space, at(page), count * PAGE, access) == expected);
    for (size_t i = 0; i < count && expected == HX_OK; i++) {
        pages[i].flags = (pages[i].flags & ~(unsigned)MAPPING_ACCESS) | access;
    }
}

static void step_discard(size_t s, size_t page, size_t count)
{
    struct model_page *pages = &spaces[s].pages[page];

    AGREE(address_space_discard(spaces[s].space, at(page), count * PAGE) ==
          (is_whole(pages, count) ? HX_OK : HX_ENOMEM));
    for (size_t i = 0; i < count; i++) {
        pages[i].is_own = false;
        memset(pages[i].bytes, 0, sizeof pages[i].bytes);
    }
}

/* Continue a mapping's last page by some more. */
static void model_grow(struct model_page *pages, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        pages[i] = (struct model_page){
            .is_mapped = true,
            .flags = pages[0].flags,
            .object = pages[0].object,
            .index = pages[0].object == NONE ? 0 : pages[0].index + (uint32_t)i};
    }
}

/* Whether a mapping's pages may stand so far in: the model keeps only AREA pages of an object. */
static bool is_index_kept(const struct model_page *page, size_t count)
{
    return page->object == NONE || page->index + count <= AREA;
}

static void step_resize_mapping(size_t s, size_t page, size_t count)
{
    struct model_page *pages = &spaces[s].pages[page];
    size_t new = 1 + random_below(AREA - page);
    uintptr_t moved;
    hx_err expected = is_one_mapping(pages, count) ? HX_OK : HX_EFAULT;

    if (!is_index_kept(pages, new)) {
        return;
    }
    for (size_t i = count; i < new &&expected == HX_OK; i++) {
        expected = pages[i].is_mapped ? HX_ENOMEM : HX_OK;
    }
    AGREE(address_space_remap(spaces[s].space, at(page), count * PAGE, new *PAGE, false, 0,
                              &moved) == expected);
    if (expected == HX_OK) {
        AGREE(moved == at(page));
        if (new < count) {
            memset(&pages[new], 0, (count - new) * sizeof *pages);
        }
        model_grow(pages, count, new);
    }
}

static void step_move(size_t s, size_t page, size_t count)
{
    struct model_page *pages = &spaces[s].pages[page];
    size_t to = random_below(AREA);
    size_t new = 1 + random_below(AREA - to);
    bool overlaps = to < page + count && page < to + new;
    hx_err expected = !is_one_mapping(pages, count) ? HX_EFAULT : overlaps ? HX_EINVAL : HX_OK;
    struct model_page kept[AREA];
    uintptr_t moved;

    if (!is_index_kept(pages, new)) {
        return;
    }
    AGREE(address_space_remap(spaces[s].space, at(page), count * PAGE, new *PAGE, true, at(to),
                              &moved) == expected);
    if (expected != HX_OK) {
        return;
    }
    memcpy(kept, pages, count * sizeof *pages);
    memset(pages, 0, count * sizeof *pages);
    memset(&spaces[s].pages[to], 0, new * sizeof *pages);
    memcpy(&spaces[s].pages[to], kept, (count < new ? count : new) * sizeof *pages);
    model_grow(&spaces[s].pages[to], count, new);
}

static void step_fork(size_t s)
{
    size_t to = random_below(SPACES);

    if (to == s) {
        return;
    }
    if (spaces[to].space != NULL) {
        address_space_put(spaces[to].space);
        spaces[to].space = NULL;
    }
    AGREE(address_space_fork(spaces[s].space, vm_owner, &spaces[to].space) == HX_OK);
    memcpy(spaces[to].pages, spaces[s].pages, sizeof spaces[s].pages);
}

/* Pages [first, end) of a file have gone; private copies too, or not. */
static void model_cut(uint32_t file, uint64_t first, uint64_t end, bool copies_too)
{
    for (uint64_t index = first; index < end && index < AREA; index++) {
        objects[file].bytes[index][0] = filled(index);
        objects[file].bytes[index][1] = 0;
    }
    for (size_t i = 0; copies_too && i < (size_t)SPACES * AREA; i++) {
        struct model_page *page = &spaces[i / AREA].pages[i % AREA];

        if (spaces[i / AREA].space != NULL && page->is_mapped && page->object == file &&
            page->index >= first) {
            page->is_own = false;
        }
    }
}

static void step_resize_file(void)
{
    uint32_t file = (uint32_t)random_below(FILES);
    uint64_t old = objects[file].size;
    uint64_t new = random_below(AREA * PAGE);
    uint64_t edge = old < new ? old : new;

    memory_object_resize(objects[file].object, new);
    objects[file].size = new;
    if (edge % PAGE != 0) {
        objects[file].bytes[edge / PAGE][1] = 0;
    }
    if (new < old) {
        model_cut(file, pages_for(new), UINT64_MAX, true);
    }
}

static void step_drop(size_t page, size_t count)
{
    uint32_t file = (uint32_t)random_below(FILES);

    memory_object_drop(objects[file].object, page, count);
    model_cut(file, page, page + count, false);
}

/* --- sequences -------------------------------------------------------------------------------- */

static size_t random_space(void)
{
    size_t s = random_below(SPACES);

    while (spaces[s].space == NULL) {
        s = (s + 1) % SPACES;
    }
    return s;
}

static void step(void)
{
    size_t s = random_space();
    size_t page = random_below(AREA);
    size_t count = 1 + random_below(AREA - page < 12 ? AREA - page : 12);

    switch (random_below(20)) {
    case 0:
    case 1:
    case 2:
        step_map(s, page, count);
        break;
    case 3:
        step_unmap(s, page, count);
        break;
    case 4:
    case 5:
        step_protect(s, page, count);
        break;
    case 6:
        step_discard(s, page, 1 + count / 4);
        break;
    case 7:
        step_resize_mapping(s, page, count);
        break;
    case 8:
        step_move(s, page, 1 + count / 3);
        break;
    case 9:
        step_fork(s);
        break;
    case 10:
        step_resize_file();
        break;
    case 11:
        step_drop(page, count);
        break;
    case 12:
    case 13:
    case 14:
        check_page(s, page);
        break;
    default:
        step_write(s, page);
        break;
    }
}

static void model_body(void)
{
    uint64_t steps = getenv("HELIX_SOAK") != NULL ? 2000000 : 40000;
    struct vm_balance before;

    vm_start();
    before = vm_balance();
    open_files();
    spaces[0].space = vm_space();
    for (uint64_t i = 0; i < steps; i++) {
        step();
        if (i % 500 == 0) {
            check_all();
        }
    }
    check_all();
    for (size_t s = 0; s < SPACES; s++) {
        if (spaces[s].space != NULL) {
            address_space_put(spaces[s].space);
        }
    }
    for (size_t i = 0; i < FILES; i++) {
        memory_object_put(objects[i].object);
    }
    vm_check_balance(before);
}

static void any_sequence_agrees_with_the_model(void **state)
{
    (void)state;
    seed = random_start();
    print_message("seed %llu\n", (unsigned long long)seed);
    vm_passes(model_body);
}

/* --- failing allocations ---------------------------------------------------------------------- */

/* Success or out of memory, nothing else. */
static bool is_ok(hx_err error)
{
    CHECK(error == HX_OK || error == HX_ENOMEM);
    return error == HX_OK;
}

static void use_child(struct address_space *space)
{
    struct address_space *forked;

    if (!is_ok(address_space_fork(space, vm_owner, &forked))) {
        return;
    }
    (void)is_ok(vm_write(forked, at(10), 2));
    (void)is_ok(vm_write(space, at(10), 3));
    address_space_put(forked);
}

static void use_space(struct address_space *space, struct memory_object *file)
{
    uintptr_t moved;

    if (!is_ok(vm_map_at(space, 10, 6, RW)) ||
        !is_ok(vm_map_at(space, 20, 2, RW | MAPPING_SHARED)) ||
        !is_ok(vm_map_object(space, 600, 8, RW, file, 0)) ||
        !is_ok(vm_map_object(space, 1200, 8, RW | MAPPING_SHARED, file, 0)) ||
        !is_ok(vm_write(space, at(10), 1)) || !is_ok(vm_write(space, at(21), 1)) ||
        !is_ok(vm_write(space, at(600), 1)) || !is_ok(vm_write(space, at(1203), 1))) {
        return;
    }
    use_child(space);
    (void)is_ok(address_space_protect(space, at(12), PAGE, MAPPING_READ));
    (void)is_ok(address_space_unmap(space, at(603), PAGE));
    (void)is_ok(address_space_remap(space, at(1200), 4 * PAGE, 9 * PAGE, true, at(9000), &moved));
    (void)is_ok(address_space_remap(space, at(10), PAGE, 3 * PAGE, true, 0, &moved));
    memory_object_resize(file, 2 * PAGE);
    memory_object_drop(file, 0, 1);
}

static void use_memory(void)
{
    struct memory_object *file;
    struct address_space *space;

    if (!is_ok(memory_object_create(&numbered, NULL, 1ULL << 40, vm_owner, &file))) {
        return;
    }
    if (is_ok(address_space_create(vm_owner, &space))) {
        use_space(space, file);
        address_space_put(space);
    }
    memory_object_put(file);
}

static void fail_each(void (*fail_nth)(uint64_t n), uint64_t (*failures)(void))
{
    struct vm_balance before = vm_balance();
    uint64_t failed = failures();

    for (uint64_t n = 1;; n++) {
        fail_nth(n);
        use_memory();
        fail_nth(0);
        vm_check_balance(before);
        if (failures() == failed) {
            CHECK(n > 10);
            return;
        }
        failed = failures();
    }
}

static uint64_t failed_frames(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.failures;
}

static uint64_t failed_objects(void)
{
    struct heap_statistics statistics;

    heap_statistics(&statistics);
    return statistics.failures;
}

static void failing_body(void)
{
    vm_start();
    use_memory(); /* the broker's places are made */
    fail_each(frames_fail_nth, failed_frames);
    fail_each(heap_fail_nth, failed_objects);
}

static void nothing_leaks_whichever_allocation_fails(void **state)
{
    (void)state;
    vm_passes(failing_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_agrees_with_the_model),
        cmocka_unit_test(nothing_leaks_whichever_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
