#include <core/ipc/loan.h>
#include <kern/heap.h>

hx_err router_loan_create(size_t size, struct router_loan **loan)
{
    struct router_loan *made;

    if (size == 0 || size > ROUTER_LOAN_MAX) {
        return HX_EINVAL;
    }
    made = heap_allocate(sizeof(*made) + size, OWNER_CORE);
    if (made == NULL) {
        return HX_ENOMEM;
    }
    atomic_init(&made->references, 1);
    made->size = size;
    *loan = made;
    return HX_OK;
}

void router_loan_put(struct router_loan *loan)
{
    /* acq_rel: the last one sees what the others did */
    if (loan != NULL &&
        atomic_fetch_sub_explicit(&loan->references, 1, memory_order_acq_rel) == 1) {
        heap_free(loan);
    }
}
