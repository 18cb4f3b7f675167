/* Address spaces: rules and every error. */
#include <tests/host/vm/vm_machine.h>

/* --- anonymous memory ------------------------------------------------------------------------- */

static void zeros_body(void)
{
    struct vm_balance before;
    struct address_space *space;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(vm_map_at(space, 10, 4, RW) == HX_OK);
    CHECK(vm_reach(space, at(10), MAPPING_READ) == NULL);
    CHECK(vm_read(space, at(10)) == 0);
    CHECK(vm_write(space, at(13) + 5, 7) == HX_OK);
    CHECK(vm_read(space, at(13) + 5) == 7);
    CHECK(vm_read(space, at(13) + 6) == 0);
    CHECK(vm_statistics(space).resident_pages == 2);
    CHECK(vm_read(space, at(9)) == VM_ERROR(HX_EFAULT));
    CHECK(vm_read(space, at(14)) == VM_ERROR(HX_EFAULT));
    CHECK(address_space_fault(space, 0, MAPPING_READ) == HX_EFAULT);
    CHECK(address_space_fault(space, UINTPTR_MAX, MAPPING_READ) == HX_EFAULT);
    address_space_put(space);
    vm_check_balance(before);
}

static void anonymous_pages_are_zeros_brought_in_one_by_one(void **state)
{
    (void)state;
    vm_passes(zeros_body);
}

static void access_body(void)
{
    struct address_space *space;
    uintptr_t address;

    vm_start();
    space = vm_space();
    CHECK(vm_map_at(space, 0, 1, MAPPING_READ) == HX_OK);
    CHECK(vm_map_at(space, 1, 1, MAPPING_READ | MAPPING_EXECUTE) == HX_OK);
    CHECK(vm_map_at(space, 2, 1, 0) == HX_OK);
    CHECK(vm_write(space, at(0), 1) == HX_EACCES);
    CHECK(vm_write(space, at(1), 1) == HX_EACCES);
    CHECK(vm_read(space, at(2)) == VM_ERROR(HX_EACCES));
    CHECK(address_space_fault(space, at(0), MAPPING_EXECUTE) == HX_EACCES);
    CHECK(address_space_fault(space, at(1), MAPPING_EXECUTE) == HX_OK);
    CHECK(vm_map_at(space, 3, 1, RW | MAPPING_EXECUTE) == HX_EACCES);
    CHECK(address_space_protect(space, at(0), PAGE, RW | MAPPING_EXECUTE) == HX_EACCES);
    CHECK(vm_map_at(space, 3, 1, MAPPING_WRITE) == HX_OK);
    CHECK(vm_read(space, at(3)) == 0); /* the machine has no page that is only written */
    CHECK(
        address_space_map(space,
                          &(struct mapping_request){
                              .address = at(3), .size = 1, .is_fixed = true, .is_exclusive = true},
                          &address) == HX_EEXIST);
    address_space_put(space);
}

static void what_a_mapping_forbids_is_refused_and_nothing_is_writable_and_executable(void **state)
{
    (void)state;
    vm_passes(access_body);
}

static void bad_requests_body(void)
{
    struct address_space *space;
    uintptr_t end = hal_user_window().base + hal_user_window().size;
    uintptr_t address;

    vm_start();
    space = vm_space();
    CHECK(address_space_map(space, &(struct mapping_request){.size = 0}, &address) == HX_EINVAL);
    CHECK(address_space_map(space, &(struct mapping_request){.size = 1, .offset = 1}, &address) ==
          HX_EINVAL);
    CHECK(address_space_map(
              space, &(struct mapping_request){.address = at(0) + 1, .size = 1, .is_fixed = true},
              &address) == HX_EINVAL);
    CHECK(address_space_map(space,
                            &(struct mapping_request){.address = end, .size = 1, .is_fixed = true},
                            &address) == HX_ENOMEM);
    CHECK(address_space_map(space,
                            &(struct mapping_request){.address = 0, .size = 1, .is_fixed = true},
                            &address) == HX_ENOMEM);
    CHECK(address_space_map(space, &(struct mapping_request){.size = SIZE_MAX}, &address) ==
          HX_ENOMEM);
    CHECK(address_space_map(space, &(struct mapping_request){.size = hal_user_window().size},
                            &address) == HX_ENOMEM);
    CHECK(address_space_unmap(space, at(0) + 1, PAGE) == HX_EINVAL);
    CHECK(address_space_unmap(space, at(0), 0) == HX_EINVAL);
    CHECK(address_space_unmap(space, end - PAGE, 2 * PAGE) == HX_EINVAL);
    CHECK(address_space_unmap(space, at(0), SIZE_MAX) == HX_EINVAL);
    CHECK(address_space_unmap(space, at(0), PAGE) == HX_OK); /* nothing there */
    CHECK(address_space_protect(space, at(0) + 1, PAGE, 0) == HX_EINVAL);
    CHECK(address_space_protect(space, at(0), PAGE, MAPPING_SHARED) == HX_EINVAL);
    CHECK(address_space_protect(space, at(0), PAGE, 0) == HX_ENOMEM);
    CHECK(address_space_protect(space, at(0), SIZE_MAX, 0) == HX_ENOMEM);
    CHECK(address_space_discard(space, at(0) + 1, PAGE) == HX_EINVAL);
    CHECK(address_space_discard(space, at(0), PAGE) == HX_ENOMEM);
    CHECK(vm_mappings(space) == 0);
    address_space_put(space);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    vm_passes(bad_requests_body);
}

/* --- parts of mappings ------------------------------------------------------------------------ */

static void parts_body(void)
{
    struct vm_balance before;
    struct address_space *space;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(vm_map_at(space, 10, 9, RW) == HX_OK);
    for (size_t page = 10; page < 19; page++) {
        CHECK(vm_write(space, at(page), (unsigned)page) == HX_OK);
    }
    CHECK(address_space_protect(space, at(12), 3 * PAGE, MAPPING_READ) == HX_OK);
    CHECK(vm_mappings(space) == 3);
    CHECK(vm_write(space, at(12), 1) == HX_EACCES);
    CHECK(vm_read(space, at(14)) == 14);
    CHECK(vm_write(space, at(15), 99) == HX_OK);
    CHECK(address_space_protect(space, at(12), 3 * PAGE, RW) == HX_OK);
    CHECK(vm_mappings(space) == 1);
    CHECK(vm_write(space, at(12), 98) == HX_OK);
    CHECK(address_space_unmap(space, at(13), PAGE) == HX_OK);
    CHECK(vm_mappings(space) == 2);
    CHECK(vm_statistics(space).mapped_bytes == 8 * PAGE);
    CHECK(vm_read(space, at(13)) == VM_ERROR(HX_EFAULT));
    CHECK(vm_read(space, at(12)) == 98);
    CHECK(vm_read(space, at(14)) == 14);
    CHECK(address_space_protect(space, at(12), 3 * PAGE, RW) == HX_ENOMEM);
    CHECK(vm_map_at(space, 13, 1, RW) == HX_OK);
    CHECK(vm_mappings(space) == 1);
    CHECK(vm_read(space, at(13)) == 0);
    CHECK(address_space_unmap(space, at(0), 100 * PAGE) == HX_OK);
    CHECK(vm_mappings(space) == 0);
    CHECK(vm_statistics(space).resident_pages == 0);
    address_space_put(space);
    vm_check_balance(before);
}

static void parts_are_protected_and_unmapped_and_join_again(void **state)
{
    (void)state;
    vm_passes(parts_body);
}

static void unreachable_body(void)
{
    struct address_space *space;

    vm_start();
    space = vm_space();
    CHECK(vm_map_at(space, 1, 1, RW) == HX_OK);
    CHECK(vm_write(space, at(1), 5) == HX_OK);
    CHECK(address_space_protect(space, at(1), PAGE, 0) == HX_OK);
    CHECK(vm_reach(space, at(1), MAPPING_READ) == NULL);
    CHECK(vm_read(space, at(1)) == VM_ERROR(HX_EACCES));
    CHECK(vm_statistics(space).resident_pages == 1);
    CHECK(address_space_protect(space, at(1), PAGE, MAPPING_READ) == HX_OK);
    CHECK(vm_read(space, at(1)) == 5);
    CHECK(address_space_protect(space, at(1), PAGE, RW) == HX_OK);
    CHECK(vm_write(space, at(1), 6) == HX_OK);
    address_space_put(space);
}

static void a_page_that_nobody_may_reach_keeps_its_bytes(void **state)
{
    (void)state;
    vm_passes(unreachable_body);
}

static void discard_body(void)
{
    struct address_space *space;

    vm_start();
    space = vm_space();
    CHECK(vm_map_at(space, 1, 3, RW) == HX_OK);
    CHECK(vm_write(space, at(1), 5) == HX_OK);
    CHECK(vm_write(space, at(2), 6) == HX_OK);
    CHECK(address_space_discard(space, at(2), PAGE) == HX_OK);
    CHECK(vm_read(space, at(1)) == 5);
    CHECK(vm_read(space, at(2)) == 0);
    CHECK(address_space_discard(space, at(3), 2 * PAGE) == HX_ENOMEM);
    address_space_put(space);
}

static void discarded_pages_read_as_zeros_again(void **state)
{
    (void)state;
    vm_passes(discard_body);
}

/* --- places ----------------------------------------------------------------------------------- */

static void places_body(void)
{
    struct address_space *space;
    uintptr_t first;
    uintptr_t second;

    vm_start();
    space = vm_space();
    CHECK(address_space_map(space, &(struct mapping_request){.size = 3 * PAGE, .flags = RW},
                            &first) == HX_OK);
    CHECK(address_space_map(space, &(struct mapping_request){.size = PAGE, .flags = RW}, &second) ==
          HX_OK);
    CHECK(second == first - PAGE);
    CHECK(address_space_unmap(space, first, PAGE) == HX_OK);
    CHECK(address_space_map(space, &(struct mapping_request){.size = PAGE, .flags = RW}, &second) ==
          HX_OK);
    CHECK(second == first); /* the highest that is large enough */
    CHECK(address_space_map(space,
                            &(struct mapping_request){.address = first, .size = PAGE, .flags = RW},
                            &second) == HX_OK);
    CHECK(second == first - 2 * PAGE); /* the hint is taken already */
    CHECK(address_space_map(space,
                            &(struct mapping_request){.address = at(50), .size = PAGE, .flags = RW},
                            &second) == HX_OK);
    CHECK(second == at(50));
    address_space_set_limits(space, 1U << 20, vm_statistics(space).mapped_bytes + PAGE);
    CHECK(vm_map_at(space, 60, 2, RW) == HX_ENOMEM);
    CHECK(vm_map_at(space, 50, 2, RW) == HX_OK); /* one of them is there already */
    CHECK(vm_map_at(space, 60, 1, RW) == HX_ENOMEM);
    address_space_put(space);
}

static void places_are_found_from_the_top_and_within_the_limit(void **state)
{
    (void)state;
    vm_passes(places_body);
}

static void many_body(void)
{
    enum { COUNT = 20000 };
    struct vm_balance before;
    struct address_space *space;
    struct address_space *forked;
    uintptr_t address;

    vm_start();
    before = vm_balance();
    space = vm_space();
    for (size_t i = 0; i < COUNT; i++) { /* every second page, so that nothing joins */
        CHECK(vm_map_at(space, 2 * i, 1, RW) == HX_OK);
    }
    CHECK(vm_mappings(space) == COUNT);
    CHECK(vm_write(space, at(2 * 777), 7) == HX_OK);
    CHECK(vm_read(space, at(2 * 777 + 1)) == VM_ERROR(HX_EFAULT));
    CHECK(address_space_map(space, &(struct mapping_request){.size = PAGE, .flags = MAPPING_READ},
                            &address) == HX_OK);
    CHECK(address_space_fork(space, vm_owner, &forked) == HX_OK);
    CHECK(vm_read(forked, at(2 * 777)) == 7);
    address_space_put(forked);
    CHECK(address_space_unmap(space, at(0), (size_t)2 * COUNT * PAGE) == HX_OK);
    CHECK(vm_mappings(space) == 1);
    address_space_put(space);
    vm_check_balance(before);
}

static void a_space_has_twenty_thousand_mappings(void **state)
{
    (void)state;
    vm_passes(many_body);
}

/* --- the stack -------------------------------------------------------------------------------- */

static void stack_body(void)
{
    struct address_space *space;
    uintptr_t top = at(5000);

    vm_start();
    space = vm_space();
    address_space_set_limits(space, 600 * PAGE, UINT64_MAX);
    CHECK(vm_map_at(space, 4998, 2, RW | MAPPING_GROWS_DOWN) == HX_OK);
    CHECK(vm_write(space, top - 1, 1) == HX_OK);
    CHECK(vm_write(space, top - 300 * PAGE, 2) == HX_OK);
    CHECK(vm_statistics(space).mapped_bytes == 300 * PAGE);
    CHECK(vm_write(space, top - 600 * PAGE, 3) == HX_OK);
    CHECK(vm_write(space, top - 600 * PAGE - 1, 4) == HX_EFAULT); /* the limit */
    address_space_set_limits(space, 2000 * PAGE, UINT64_MAX);
    CHECK(vm_map_at(space, 4000, 10, RW) == HX_OK); /* ends 990 pages below the top */
    CHECK(vm_write(space, at(4010 + 255), 5) == HX_EFAULT);
    CHECK(vm_write(space, at(4010 + 256), 5) == HX_OK);
    CHECK(vm_read(space, top - 300 * PAGE) == 2);
    address_space_set_limits(space, 2000 * PAGE, vm_statistics(space).mapped_bytes);
    CHECK(address_space_unmap(space, at(4000), 10 * PAGE) == HX_OK);
    CHECK(vm_write(space, at(4010 + 255), 5) == HX_OK);
    CHECK(vm_write(space, at(4010 + 240), 5) == HX_EFAULT); /* the limit of the space */
    address_space_put(space);
}

static void a_stack_grows_down_to_its_limit_and_its_guard_gap(void **state)
{
    (void)state;
    vm_passes(stack_body);
}

/* --- the break -------------------------------------------------------------------------------- */

static void break_body(void)
{
    struct address_space *space;
    uintptr_t start = at(100) + 24;

    vm_start();
    space = vm_space();
    CHECK(address_space_set_break(space, at(5)) == 0);
    address_space_set_break_start(space, start);
    CHECK(address_space_set_break(space, 0) == start);
    CHECK(address_space_set_break(space, start + 3 * PAGE) == start + 3 * PAGE);
    CHECK(vm_read(space, at(100)) == VM_ERROR(HX_EFAULT)); /* the program's last page, if any */
    CHECK(vm_write(space, at(101), 1) == HX_OK);
    CHECK(vm_write(space, at(103) + 23, 1) == HX_OK);
    CHECK(vm_read(space, at(104)) == VM_ERROR(HX_EFAULT));
    CHECK(address_space_set_break(space, start + PAGE) == start + PAGE);
    CHECK(vm_read(space, at(102)) == VM_ERROR(HX_EFAULT));
    CHECK(vm_map_at(space, 110, 1, RW) == HX_OK);
    CHECK(address_space_set_break(space, at(112)) == start + PAGE);
    CHECK(address_space_set_break(space, at(110)) == at(110));
    CHECK(address_space_set_break(space, start - 1) == at(110));
    CHECK(address_space_set_break(space, UINTPTR_MAX) == at(110));
    CHECK(vm_statistics(space).break_start == start);
    CHECK(vm_statistics(space).break_end == at(110));
    address_space_put(space);
}

static void the_break_moves_both_ways_and_stops_at_what_is_mapped(void **state)
{
    (void)state;
    vm_passes(break_body);
}

/* --- remapping -------------------------------------------------------------------------------- */

static void remap_body(void)
{
    struct vm_balance before;
    struct address_space *space;
    uintptr_t moved;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(vm_map_at(space, 10, 4, RW) == HX_OK);
    for (size_t page = 10; page < 14; page++) {
        CHECK(vm_write(space, at(page), (unsigned)page) == HX_OK);
    }
    CHECK(address_space_remap(space, at(10), 4 * PAGE, 6 * PAGE, false, 0, &moved) == HX_OK);
    CHECK(moved == at(10) && vm_mappings(space) == 1 && vm_read(space, at(15)) == 0);
    CHECK(address_space_remap(space, at(10), 6 * PAGE, 4 * PAGE, false, 0, &moved) == HX_OK);
    CHECK(vm_read(space, at(14)) == VM_ERROR(HX_EFAULT));
    CHECK(vm_map_at(space, 14, 1, MAPPING_READ) == HX_OK);
    CHECK(address_space_remap(space, at(10), 4 * PAGE, 5 * PAGE, false, 0, &moved) == HX_ENOMEM);
    CHECK(address_space_remap(space, at(10), 4 * PAGE, 5 * PAGE, true, 0, &moved) == HX_OK);
    CHECK(moved != at(10) && vm_read(space, at(10)) == VM_ERROR(HX_EFAULT));
    CHECK(vm_read(space, moved + 3 * PAGE) == 13 && vm_read(space, moved + 4 * PAGE) == 0);
    CHECK(address_space_remap(space, moved + PAGE, 2 * PAGE, 2 * PAGE, true, at(14), &moved) ==
          HX_OK);
    CHECK(moved == at(14) && vm_read(space, at(14)) == 11 && vm_read(space, at(15)) == 12);
    CHECK(vm_mappings(space) == 3);
    CHECK(address_space_remap(space, at(14), 2 * PAGE, PAGE, true, at(15), &moved) == HX_EINVAL);
    CHECK(address_space_remap(space, at(14), PAGE, PAGE, false, at(20), &moved) == HX_EINVAL);
    CHECK(address_space_remap(space, at(14), 0, PAGE, true, 0, &moved) == HX_EINVAL);
    CHECK(address_space_remap(space, at(14), PAGE, 0, true, 0, &moved) == HX_EINVAL);
    CHECK(address_space_remap(space, at(14) + 1, PAGE, PAGE, true, 0, &moved) == HX_EINVAL);
    CHECK(address_space_remap(space, at(14), 3 * PAGE, PAGE, true, 0, &moved) == HX_EFAULT);
    CHECK(address_space_remap(space, at(30), PAGE, PAGE, true, 0, &moved) == HX_EFAULT);
    CHECK(address_space_remap(space, at(14), PAGE, SIZE_MAX / 2, true, 0, &moved) == HX_ENOMEM);
    address_space_put(space);
    vm_check_balance(before);
}

static void mappings_grow_shrink_and_move_with_their_bytes(void **state)
{
    (void)state;
    vm_passes(remap_body);
}

/* --- objects ---------------------------------------------------------------------------------- */

static unsigned released;

static hx_err fill_with_number(struct memory_object *object, uint64_t index, void *page)
{
    if (memory_object_context(object) != NULL && index == 3) {
        return HX_EIO;
    }
    *(unsigned char *)page = (unsigned char)(100 + index);
    return HX_OK;
}

static void count_release(struct memory_object *object)
{
    (void)object;
    released++;
}

static const struct memory_object_ops numbered = {.fill = fill_with_number,
                                                  .release = count_release};

static struct memory_object *make_object(uint64_t size)
{
    struct memory_object *object;

    CHECK(memory_object_create(&numbered, NULL, size, vm_owner, &object) == HX_OK);
    return object;
}

static void object_body(void)
{
    struct vm_balance before;
    struct memory_object *object;
    struct address_space *space;
    uint64_t physical;

    vm_start();
    before = vm_balance();
    space = vm_space();
    object = make_object(4 * PAGE + 1);
    CHECK(vm_map_object(space, 10, 6, RW | MAPPING_SHARED, object, 0) == HX_OK);
    CHECK(vm_map_object(space, 20, 6, RW, object, 0) == HX_OK);
    CHECK(vm_read(space, at(12)) == 102);
    CHECK(vm_read(space, at(22)) == 102);
    CHECK(vm_statistics(space).shared_pages == 2);
    CHECK(vm_write(space, at(12), 5) == HX_OK);
    CHECK(vm_read(space, at(22)) == 5); /* not copied yet: the same frame */
    CHECK(vm_write(space, at(22), 6) == HX_OK);
    CHECK(vm_read(space, at(12)) == 5);
    CHECK(vm_write(space, at(23), 7) == HX_OK); /* copied at once */
    CHECK(vm_read(space, at(13)) == 103);
    CHECK(vm_read(space, at(14)) == 104);
    CHECK(vm_read(space, at(15)) == VM_ERROR(HX_ENXIO));
    CHECK(vm_write(space, at(25), 1) == HX_ENXIO);
    CHECK(memory_object_page(object, 2, &physical) == HX_OK);
    CHECK(*(unsigned char *)hal_direct_map(physical) == 5);
    shared_frame_put(physical);
    CHECK(memory_object_page(object, 5, &physical) == HX_ENXIO);
    CHECK(memory_object_present_page(object, 0, &physical) == HX_ENOENT);
    CHECK(memory_object_resident_pages(object) == 3);
    memory_object_put(object);
    CHECK(released == 0);
    address_space_put(space);
    CHECK(released == 1);
    vm_check_balance(before);
}

static void shared_mappings_see_the_object_and_private_ones_copy_at_the_first_write(void **state)
{
    (void)state;
    vm_passes(object_body);
}

static void resize_body(void)
{
    struct vm_balance before;
    struct memory_object *object;
    struct address_space *space;
    struct address_space *forked;

    vm_start();
    before = vm_balance();
    space = vm_space();
    object = make_object(8 * PAGE);
    CHECK(vm_map_object(space, 10, 8, RW | MAPPING_SHARED, object, 0) == HX_OK);
    CHECK(vm_map_object(space, 20, 4, RW, object, 4) == HX_OK);
    for (size_t page = 0; page < 8; page++) {
        CHECK(vm_write(space, at(10 + page) + 9, 50) == HX_OK);
    }
    CHECK(vm_write(space, at(21), 60) == HX_OK); /* a copy of page 5 */
    CHECK(address_space_fork(space, vm_owner, &forked) == HX_OK);
    CHECK(vm_read(forked, at(16) + 9) == 50);
    memory_object_resize(object, 3 * PAGE + 5);
    CHECK(memory_object_size(object) == 3 * PAGE + 5);
    CHECK(memory_object_resident_pages(object) == 4);
    CHECK(vm_read(space, at(13) + 9) == 0); /* behind the end, in the last page */
    CHECK(vm_read(space, at(12) + 9) == 50);
    CHECK(vm_read(space, at(14)) == VM_ERROR(HX_ENXIO));
    CHECK(vm_read(forked, at(16)) == VM_ERROR(HX_ENXIO));
    CHECK(vm_read(space, at(21)) == VM_ERROR(HX_ENXIO));
    CHECK(vm_read(forked, at(21)) == VM_ERROR(HX_ENXIO));
    CHECK(vm_write(space, at(13) + 9, 3) == HX_OK);
    memory_object_resize(object, 8 * PAGE);
    CHECK(vm_read(space, at(13) + 9) == 0);
    CHECK(vm_read(space, at(15)) == 105); /* filled anew */
    address_space_put(forked);
    address_space_put(space);
    memory_object_put(object);
    vm_check_balance(before);
}

static void cut_off_pages_are_gone_from_all_mappings(void **state)
{
    (void)state;
    vm_passes(resize_body);
}

static void drop_body(void)
{
    struct vm_balance before;
    struct memory_object *object;
    struct address_space *space;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(memory_object_create(NULL, space, 1ULL << 43, vm_owner, &object) == HX_OK);
    CHECK(memory_object_context(object) == space);
    CHECK(vm_map_object(space, 10, 2, RW | MAPPING_SHARED, object, (1ULL << 31) - 2) == HX_OK);
    CHECK(vm_map_object(space, 20, 2, RW, object, (1ULL << 31) - 2) == HX_OK);
    CHECK(vm_write(space, at(10), 1) == HX_OK);
    CHECK(vm_write(space, at(11), 2) == HX_OK);
    CHECK(vm_write(space, at(21), 3) == HX_OK);
    CHECK(vm_read(space, at(20)) == 1);
    memory_object_drop(object, (1ULL << 31) - 2, UINT64_MAX);
    CHECK(memory_object_resident_pages(object) == 0);
    CHECK(vm_read(space, at(10)) == 0);
    CHECK(vm_read(space, at(20)) == 0);
    CHECK(vm_read(space, at(21)) == 3); /* a copy stays */
    memory_object_drop(object, UINT64_MAX, 5);
    address_space_put(space);
    memory_object_put(object);
    vm_check_balance(before);
}

static void a_sparse_object_drops_pages_but_no_copies(void **state)
{
    (void)state;
    vm_passes(drop_body);
}

static void failing_fill_body(void)
{
    struct vm_balance before;
    struct memory_object *object;
    struct address_space *space;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(memory_object_create(&numbered, &released, 8 * PAGE, vm_owner, &object) == HX_OK);
    CHECK(vm_map_object(space, 10, 8, MAPPING_READ | MAPPING_SHARED, object, 0) == HX_OK);
    CHECK(vm_read(space, at(13)) == VM_ERROR(HX_EIO));
    CHECK(vm_read(space, at(14)) == 104);
    CHECK(memory_object_resident_pages(object) == 1);
    CHECK(address_space_protect(space, at(10), PAGE, RW) == HX_EACCES); /* may not be written */
    memory_object_put(object);
    address_space_put(space);
    vm_check_balance(before);
}

static void what_filling_answers_is_the_faults_result(void **state)
{
    (void)state;
    vm_passes(failing_fill_body);
}

/* --- fork ------------------------------------------------------------------------------------- */

static void fork_body(void)
{
    struct vm_balance before;
    struct address_space *space;
    struct address_space *forked;
    struct memory_place mine;
    struct memory_place other;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(vm_map_at(space, 10, 3, RW) == HX_OK);
    CHECK(vm_map_at(space, 20, 2, RW | MAPPING_SHARED) == HX_OK);
    CHECK(vm_write(space, at(10), 1) == HX_OK);
    CHECK(vm_write(space, at(11), 2) == HX_OK);
    CHECK(address_space_protect(space, at(11), PAGE, 0) == HX_OK);
    CHECK(vm_write(space, at(20), 3) == HX_OK);
    CHECK(address_space_fork(space, vm_owner, &forked) == HX_OK);
    CHECK(vm_reach(forked, at(20), MAPPING_READ) == NULL); /* left to the fault */
    CHECK(vm_reach(forked, at(10), MAPPING_READ) != NULL);
    CHECK(vm_reach(forked, at(10), MAPPING_READ) == vm_reach(space, at(10), MAPPING_READ));
    CHECK(vm_reach(space, at(10), MAPPING_WRITE) == NULL);
    CHECK(vm_write(forked, at(10), 4) == HX_OK);
    CHECK(vm_read(space, at(10)) == 1);
    CHECK(vm_write(space, at(10), 5) == HX_OK);
    CHECK(vm_read(forked, at(10)) == 4);
    CHECK(address_space_protect(forked, at(11), PAGE, RW) == HX_OK);
    CHECK(vm_read(forked, at(11)) == 2);
    CHECK(vm_write(forked, at(11), 6) == HX_OK);
    CHECK(address_space_protect(space, at(11), PAGE, RW) == HX_OK);
    CHECK(vm_read(space, at(11)) == 2);
    CHECK(vm_write(forked, at(20), 7) == HX_OK);
    CHECK(vm_read(space, at(20)) == 7);
    CHECK(address_space_place(space, at(20) + 4, &mine) == HX_OK);
    CHECK(address_space_place(forked, at(20) + 4, &other) == HX_OK);
    CHECK(mine.object == other.object && mine.offset == other.offset && mine.offset == 4);
    CHECK(address_space_place(space, at(10), &mine) == HX_OK);
    CHECK(address_space_place(forked, at(10), &other) == HX_OK);
    CHECK(mine.object != other.object && mine.offset == other.offset);
    CHECK(address_space_place(space, at(30), &mine) == HX_EFAULT);
    address_space_put(space);
    CHECK(vm_read(forked, at(10)) == 4 && vm_read(forked, at(20)) == 7);
    address_space_put(forked);
    vm_check_balance(before);
}

static void a_child_shares_pages_until_one_of_them_writes(void **state)
{
    (void)state;
    vm_passes(fork_body);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void charge_body(void)
{
    const struct resource_limits limits = {.soft = 40 * PAGE, .hard = 40 * PAGE};
    struct resource_usage usage;
    struct address_space *space;
    struct address_space *forked;
    size_t got = 0;

    vm_start();
    CHECK(resource_set_limit(vm_owner, RESOURCE_MEMORY, limits) == HX_OK);
    space = vm_space();
    CHECK(vm_map_at(space, 10, 100, RW) == HX_OK);
    while (vm_write(space, at(10 + got), 1) == HX_OK) {
        got++;
    }
    CHECK(got == 40);
    CHECK(vm_write(space, at(10 + got), 1) == HX_ENOMEM);
    CHECK(address_space_fork(space, vm_owner, &forked) == HX_ENOMEM);
    CHECK(address_space_discard(space, at(10), PAGE) == HX_OK);
    CHECK(vm_write(space, at(10 + got), 1) == HX_OK);
    CHECK(resource_get_usage(vm_owner, RESOURCE_MEMORY, &usage) == HX_OK);
    CHECK(usage.used == 40 * PAGE && usage.refused != 0);
    address_space_put(space);
    CHECK(resource_get_usage(vm_owner, RESOURCE_MEMORY, &usage) == HX_OK);
    CHECK(usage.used == 0);
}

/* SPEC: Q4 */
static void the_owners_limit_binds_to_the_page(void **state)
{
    (void)state;
    vm_passes(charge_body);
}

/* --- descriptions ----------------------------------------------------------------------------- */

static int names;

static void get_name(struct mapping_name *name)
{
    (void)name;
    names++;
}

static void put_name(struct mapping_name *name)
{
    (void)name;
    names--;
}

static struct mapping_name name_of_file = {.get = get_name, .put = put_name};

static bool check_first(const struct mapping_description *mapping, void *argument)
{
    CHECK(mapping->start == at(10) && mapping->end == at(12));
    CHECK(mapping->flags == (MAPPING_READ | MAPPING_SHARED) && mapping->offset == 3 * PAGE);
    CHECK(mapping->name == &name_of_file && mapping->resident_pages == 1);
    *(bool *)argument = true;
    return false;
}

static void description_body(void)
{
    struct memory_object *object;
    struct address_space *space;
    bool was_called = false;
    uintptr_t address;

    vm_start();
    object = make_object(20 * PAGE);
    space = vm_space();
    CHECK(address_space_map(
              space,
              &(struct mapping_request){.address = at(10),
                                        .size = 4 * PAGE,
                                        .flags = MAPPING_READ | MAPPING_SHARED | MAPPING_POPULATE,
                                        .is_fixed = true,
                                        .object = object,
                                        .offset = 3 * PAGE,
                                        .name = &name_of_file},
              &address) == HX_OK);
    CHECK(vm_statistics(space).resident_pages == 4);
    CHECK(address_space_unmap(space, at(12), PAGE) == HX_OK);
    CHECK(names == 2);
    CHECK(address_space_discard(space, at(11), PAGE) == HX_OK);
    address_space_for_each(space, check_first, &was_called);
    CHECK(was_called);
    CHECK(address_space_allows(space, at(10), 2 * PAGE, MAPPING_READ));
    CHECK(!address_space_allows(space, at(10), 2 * PAGE + 1, MAPPING_READ));
    CHECK(!address_space_allows(space, at(10), 1, MAPPING_WRITE));
    CHECK(!address_space_allows(space, at(10), SIZE_MAX, MAPPING_READ));
    address_space_put(space);
    memory_object_put(object);
    CHECK(names == 0);
}

static void mappings_are_described_with_name_and_offset(void **state)
{
    (void)state;
    vm_passes(description_body);
}

/* Bodies run on a kernel thread of a machine in a forked. */
/* --- reading from outside --------------------------------------------------------------------- */

static void read_body(void)
{
    struct vm_balance before;
    struct address_space *space;
    unsigned char bytes[3 * PAGE];
    uint64_t resident;
    size_t done;

    vm_start();
    before = vm_balance();
    space = vm_space();
    CHECK(vm_map_at(space, 1, 3, RW) == HX_OK);
    CHECK(vm_map_at(space, 5, 1, 0) == HX_OK);
    CHECK(vm_write(space, at(2) - 1, 7) == HX_OK);
    CHECK(vm_write(space, at(2), 8) == HX_OK);
    CHECK(address_space_read(space, at(2) - 1, bytes, 2, &done) == HX_OK && done == 2);
    CHECK(bytes[0] == 7 && bytes[1] == 8);
    /* the third page is brought in, the fourth is not there */
    bytes[PAGE] = 1;
    CHECK(address_space_read(space, at(2), bytes, sizeof(bytes), &done) == HX_EFAULT);
    CHECK(done == 2 * PAGE && bytes[0] == 8 && bytes[PAGE] == 0);
    CHECK(vm_statistics(space).resident_pages == 3);
    CHECK(address_space_read(space, at(5), bytes, 1, &done) == HX_EFAULT && done == 0);
    CHECK(address_space_read(space, 0, bytes, 1, &done) == HX_EFAULT);
    CHECK(address_space_read(space, UINTPTR_MAX, bytes, 2, &done) == HX_EFAULT && done == 0);
    CHECK(address_space_read(space, at(1), bytes, 0, &done) == HX_OK && done == 0);
    resident = vm_statistics(space).resident_pages;
    CHECK(vm_map_at(space, 600, 1, RW | MAPPING_GROWS_DOWN) == HX_OK);
    CHECK(address_space_read(space, at(599), bytes, 1, &done) == HX_EFAULT);
    CHECK(vm_statistics(space).resident_pages == resident);
    CHECK(vm_mappings(space) == 3);
    address_space_put(space);
    vm_check_balance(before);
}

static void a_space_is_read_from_outside_as_far_as_it_is_mapped(void **state)
{
    (void)state;
    vm_passes(read_body);
}

static void read_cut_body(void)
{
    struct address_space *space;
    struct memory_object *object;
    unsigned char byte = 0;
    size_t done;

    vm_start();
    space = vm_space();
    CHECK(memory_object_create(NULL, NULL, PAGE, OWNER_CORE, &object) == HX_OK);
    CHECK(vm_map_object(space, 0, 2, RW | MAPPING_SHARED | MAPPING_MAY_WRITE, object, 0) == HX_OK);
    CHECK(vm_write(space, at(0) + 3, 9) == HX_OK);
    CHECK(address_space_read(space, at(0) + 3, &byte, 1, &done) == HX_OK && byte == 9);
    CHECK(address_space_read(space, at(1), &byte, 1, &done) == HX_EFAULT && done == 0);
    memory_object_put(object);
    address_space_put(space);
}

static void reading_beyond_an_objects_end_is_a_bad_address(void **state)
{
    (void)state;
    vm_passes(read_cut_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anonymous_pages_are_zeros_brought_in_one_by_one),
        cmocka_unit_test(what_a_mapping_forbids_is_refused_and_nothing_is_writable_and_executable),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(parts_are_protected_and_unmapped_and_join_again),
        cmocka_unit_test(a_page_that_nobody_may_reach_keeps_its_bytes),
        cmocka_unit_test(discarded_pages_read_as_zeros_again),
        cmocka_unit_test(places_are_found_from_the_top_and_within_the_limit),
        cmocka_unit_test(a_space_has_twenty_thousand_mappings),
        cmocka_unit_test(a_stack_grows_down_to_its_limit_and_its_guard_gap),
        cmocka_unit_test(the_break_moves_both_ways_and_stops_at_what_is_mapped),
        cmocka_unit_test(mappings_grow_shrink_and_move_with_their_bytes),
        cmocka_unit_test(shared_mappings_see_the_object_and_private_ones_copy_at_the_first_write),
        cmocka_unit_test(cut_off_pages_are_gone_from_all_mappings),
        cmocka_unit_test(a_sparse_object_drops_pages_but_no_copies),
        cmocka_unit_test(what_filling_answers_is_the_faults_result),
        cmocka_unit_test(a_child_shares_pages_until_one_of_them_writes),
        cmocka_unit_test(the_owners_limit_binds_to_the_page),
        cmocka_unit_test(mappings_are_described_with_name_and_offset),
        cmocka_unit_test(a_space_is_read_from_outside_as_far_as_it_is_mapped),
        cmocka_unit_test(reading_beyond_an_objects_end_is_a_bad_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
