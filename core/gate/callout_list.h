/* Every function a module may import: number, name, handler, whether it has effects outside the
 * module. */
#ifndef CORE_GATE_CALLOUT_LIST_H
#define CORE_GATE_CALLOUT_LIST_H

#define CALLOUT_LIST(X)                                                                            \
    X(1, hx_log, callout_log, true)                                                                \
    X(2, hx_clock_now, callout_clock_now, false)                                                   \
    X(3, hx_fail, callout_fail, false)                                                             \
    X(4, hx_pages_allocate, callout_pages_allocate, false)                                         \
    X(5, hx_pages_free, callout_pages_free, false)                                                 \
    X(6, hx_state_put, callout_state_put, false)                                                   \
    X(7, hx_state_size, callout_state_size, false)                                                 \
    X(8, hx_state_get, callout_state_get, false)                                                   \
    X(9, hx_sleep, callout_sleep, false)                                                           \
    X(10, hx_runnable_threads, callout_runnable_threads, false)                                    \
    X(11, hx_device_claim, callout_device_claim, true)                                             \
    X(12, hx_register_read, callout_register_read, true)                                           \
    X(13, hx_register_write, callout_register_write, true)                                         \
    X(14, hx_queue_create, callout_queue_create, true)                                             \
    X(15, hx_queue_add, callout_queue_add, true)                                                   \
    X(16, hx_queue_kick, callout_queue_kick, true)                                                 \
    X(17, hx_queue_take, callout_queue_take, true)                                                 \
    X(18, hx_buffer_complete, callout_buffer_complete, true)                                       \
    X(19, hx_loan_read, callout_loan_read, false)                                                  \
    X(20, hx_loan_write, callout_loan_write, true)                                                 \
    X(21, hx_runnable_refuse, callout_runnable_refuse, false)                                      \
    X(22, hx_disk_size, callout_disk_size, false)                                                  \
    X(23, hx_disk_read, callout_disk_read, false)                                                  \
    X(24, hx_disk_write, callout_disk_write, true)                                                 \
    X(25, hx_disk_read_to_loan, callout_disk_read_to_loan, true)                                   \
    X(26, hx_disk_write_from_loan, callout_disk_write_from_loan, true)                             \
    X(27, hx_cpu_entropy, callout_cpu_entropy, false)                                              \
    X(28, hx_lock_create, callout_lock_create, false)                                              \
    X(29, hx_lock_acquire, callout_lock_acquire, false)                                            \
    X(30, hx_lock_release, callout_lock_release, false)                                            \
    X(31, hx_lock_destroy, callout_lock_destroy, false)

#endif
