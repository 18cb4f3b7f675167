/* Every function a module may import: number, name, handler, whether it has effects outside the
 * module. */
#ifndef CORE_GATE_CALLOUT_LIST_H
#define CORE_GATE_CALLOUT_LIST_H

#define CALLOUT_LIST(X)                                                                            \
    X(1, hx_log, callout_log, true)                                                                \
    X(2, hx_clock_now, callout_clock_now, false)                                                   \
    X(3, hx_fail, callout_fail, false)

#endif
