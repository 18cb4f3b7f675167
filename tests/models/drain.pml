/*
 * Draining a module instance (core/gate/slot.c, hal/gate.h): once slot_drain has returned, no call is in
 * the instance, and none comes; and a drain is woken by the last call that leaves.
 *
 *     spin -a drain.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * CALLERS callers, each on a processor of its own, call what the slot holds, CALLS times: publish the
 * record, read the slot again until it has not changed, run, clear the record, look at the count of
 * drains. All stores are plain. One thread replaces the instance 1 by 2, drains 1 and frees it. A
 * processor's stores wait in a buffer of its own, in order, until it executes a locked instruction, passes
 * a barrier, or the buffer empties by itself; its loads see its own stores at once, and others' late. Parking
 * and wait queues are those of kern: see park.pml.
 *
 * Checked: a call never runs in an instance that is freed; no invalid end state (a drain that sleeps for ever
 * is one).
 *
 * Faults to try, each found at once:
 *     spin -a -DNO_BARRIER    the drain makes no barrier
 *     spin -a -DEARLY_LOOK    the drain looks for calls before the barrier, once
 *     spin -a -DNO_RECHECK    a call does not read the slot again after it has published its record
 *     spin -a -DLATE_COUNT    the drain is counted after the barrier
 *     spin -a -DQUIET_LEAVE   a call that leaves does not look at the count of drains
 */
#ifndef CALLERS
#define CALLERS 2
#endif
#ifndef CALLS
#define CALLS   2
#endif
#define NONE    0
#define OLD     1
#define NEW     2

byte slot = OLD;
byte record[CALLERS]; /* as in memory */
byte drains = 0;
bool freed = false;
byte inside_old = 0;  /* calls that run in the old instance, in truth */

/* The stores to its record that a processor has not made known yet, the older one first. */
byte waiting[CALLERS];
byte first_store[CALLERS];
byte second_store[CALLERS];

/* The one thread that drains. */
bool queued = false;
bool token = false;

inline empty_one(me) {
    record[me] = first_store[me];
    first_store[me] = second_store[me];
    waiting[me]--;
}

inline flush(me) {
    do
    :: waiting[me] > 0 -> empty_one(me);
    :: else -> break;
    od;
}

inline store(me, value) {
    atomic {
        if
        :: waiting[me] == 2 -> empty_one(me);
        :: else -> skip;
        fi;
        if
        :: waiting[me] == 0 -> first_store[me] = value;
        :: else -> second_store[me] = value;
        fi;
        waiting[me]++;
    }
}

proctype caller(byte me) {
    byte calls = 0;
    byte instance;

    do
    :: calls == CALLS -> break;
    :: else ->
        instance = slot;
        store(me, instance);
#ifndef NO_RECHECK
        do
        :: slot == instance -> break; /* reads it again: may overtake the store */
        :: slot != instance -> instance = slot; store(me, instance);
        od;
#endif
        if
        :: instance == OLD -> atomic { assert(!freed); inside_old++; }
                              atomic { assert(!freed); inside_old--; }
        :: else -> skip;
        fi;
        store(me, NONE);
#ifndef QUIET_LEAVE
        if
        :: drains > 0 -> /* kernel_gate_left: the queue's lock is a locked instruction */
            atomic {
                flush(me);
                if
                :: queued -> queued = false; token = true;
                :: else -> skip;
                fi;
            }
        :: else -> skip;
        fi;
#endif
        calls++;
    od;
}

inline look() {
    each = 0;
    found = false;
    do
    :: each < CALLERS -> found = found || record[each] == OLD; each++;
    :: else -> break;
    od;
}

inline barrier() {
    each = 0;
    do
    :: each < CALLERS -> atomic { flush(each); each++; }
    :: else -> break;
    od;
}

active proctype replacer() {
    byte each;
    bool found;

    slot = NEW; /* an exchange: this processor's buffer is empty */
    queued = true;
#ifdef EARLY_LOOK
    look();
#endif
#ifndef LATE_COUNT
    drains++;
#endif
#ifndef NO_BARRIER
    barrier();
#endif
#ifdef LATE_COUNT
    drains++;
#endif
#ifndef EARLY_LOOK
    look();
#endif
    do
    :: found -> atomic { token -> token = false; queued = true; } look();
    :: else -> break;
    od;
    drains--;
    queued = false;
    atomic { assert(inside_old == 0); freed = true; }
}

/* A buffer empties by itself sooner or later. */
proctype buffers() {
    byte each;

end:
    do
    :: atomic { waiting[0] > 0 -> empty_one(0); }
    :: atomic { CALLERS > 1 && waiting[CALLERS - 1] > 0 -> empty_one(CALLERS - 1); }
    od;
}

init {
    byte i = 0;

    atomic {
        do
        :: i < CALLERS -> run caller(i); i++;
        :: else -> break;
        od;
        run buffers();
    }
}
