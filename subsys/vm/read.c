/* Reading the memory of a space that is not the current one. */
#include <base/memory.h>
#include <subsys/vm/space.h>

/* Copy from one page, brought in if it is missing. A stack is not grown for who only looks. */
static hx_err read_page_locked(struct address_space *space, uintptr_t address, void *buffer,
                               size_t size)
{
    uint64_t physical;
    hx_err error = mapping_at(space, address) != NULL
                       ? page_fault_locked(space, address, MAPPING_READ)
                       : HX_EFAULT;

    if (error != HX_OK) {
        return error == HX_ENOMEM ? HX_ENOMEM : HX_EFAULT;
    }
    if (!hal_space_lookup(space->hal, address, &physical, NULL)) {
        return HX_EFAULT;
    }
    physical &= ~(uint64_t)(HAL_PAGE_SIZE - 1);
    memcpy(buffer, (const char *)hal_direct_map(physical) + address % HAL_PAGE_SIZE, size);
    return HX_OK;
}

hx_err address_space_read(struct address_space *space, uintptr_t address, void *buffer, size_t size,
                          size_t *done)
{
    hx_err error = HX_OK;

    *done = 0;
    while (*done < size && error == HX_OK) {
        uintptr_t here = address + *done;
        size_t rest = HAL_PAGE_SIZE - here % HAL_PAGE_SIZE;
        size_t part = size - *done < rest ? size - *done : rest;

        if (here < address) {
            return HX_EFAULT; /* past the end of all addresses */
        }
        mutex_lock(&space->lock);
        error = read_page_locked(space, here, (char *)buffer + *done, part);
        mutex_unlock(&space->lock);
        *done += error == HX_OK ? part : 0;
    }
    return error;
}

hx_err address_space_peek(struct address_space *space, uintptr_t address, void *page)
{
    uint64_t physical;
    bool is_there;

    mutex_lock(&space->lock);
    is_there = hal_space_lookup(space->hal, address, &physical, NULL);
    if (is_there) {
        memcpy(page, hal_direct_map(physical), HAL_PAGE_SIZE);
    }
    mutex_unlock(&space->lock);
    return is_there ? HX_OK : HX_ENOENT;
}

bool address_space_has_own_pages(struct address_space *space, uintptr_t start, uintptr_t end)
{
    unsigned protection;
    bool answer = false;

    mutex_lock(&space->lock);
    for (uintptr_t at = start; at < end && !answer; at += HAL_PAGE_SIZE) {
        answer =
            hal_space_lookup(space->hal, at, NULL, &protection) && (protection & HAL_MARK) != 0;
    }
    mutex_unlock(&space->lock);
    return answer;
}
