/*
 * Park and unpark (kern/dispatch.c): no wake-up is lost.
 *
 *     spin -a park.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * One sleeper waits for WAKERS conditions one after the other, the way every user of park does: look,
 * and park while there is nothing new. Each waker makes one condition true, then unparks. A timer may
 * wake the sleeper at any time, without a token, as a deadline does. Another CPU finishes the
 * sleeper's switch (its registers are saved) and runs it again once it is in the run queue.
 *
 * Checked: no invalid end state (a sleeper that sleeps for ever while a condition is true is one); the
 * thread is never queued twice, nor while its registers are not saved; a park without a token ends only
 * when its own deadline has fired.
 *
 * Faults to try, each found at once:
 *     spin -a -DBLIND    the sleeper does not look for a token before it parks
 *     spin -a -DSKIP     a waker that finds a token there does nothing; its look at the token may
 *                        overtake its store of the condition, since no write of its own holds it back
 *     spin -a -DNO_WAIT  the sleeper does not wait for the timer's function when it cancels
 */
#define WAKERS 3

mtype = { RUNNABLE, RUNNING, PARKING, NOTIFIED, PARKED };

mtype state = RUNNING;
bool token = false;
bool saved = false;   /* the sleeper's registers are in memory */
bool queued = false;  /* it is in a run queue */
bool switching = false; /* it has called schedule() */
byte conditions = 0;
byte timer_shots = 0;
bool armed = false;   /* the park timer is pending */
bool firing = false;  /* its function runs */
bool fired = false;   /* the deadline of the present park has passed */

inline enqueue() {
    assert(!queued && saved);
    queued = true;
}

/* wake(): one compare-exchange; the queueing is a step of its own. */
inline wake(with_token) {
    was_parked = false;
    atomic {
        if
        :: state == PARKED -> state = RUNNABLE; was_parked = true;
        :: state == PARKING -> state = NOTIFIED;
        :: else -> skip;
        fi;
        token = token || with_token;
    }
    if
    :: was_parked -> atomic { enqueue(); }
    :: else -> skip;
    fi;
}

active [WAKERS] proctype waker() {
    bool was_parked;
    bool skips = false;

#ifdef SKIP
    skips = token;
#endif
    conditions++;
    if
    :: skips -> skip;
    :: else -> wake(true);
    fi;
}

/* The deadline: at most two of them, at any time while armed. */
active proctype timer() {
    bool was_parked;

end:
    do
    :: atomic { armed && timer_shots < 2 ->
                timer_shots++; armed = false; firing = true; fired = true; }
       wake(false);
       firing = false;
    od;
}

/* The CPU the sleeper leaves: finishes the switch, then picks it when it is queued. */
active proctype processor() {
    bool notified;

end:
    do
    :: switching && !saved ->
        saved = true;
        atomic {
            if
            :: state == PARKING -> state = PARKED; notified = false;
            :: else -> assert(state == NOTIFIED); state = RUNNABLE; notified = true;
            fi;
        }
        if
        :: notified -> atomic { enqueue(); }
        :: else -> skip;
        fi;
    :: atomic { queued -> queued = false; assert(state == RUNNABLE);
                state = RUNNING; saved = false; switching = false; }
    od;
}

active proctype sleeper() {
    byte seen = 0;
    byte looked;
    bool parked;

    do
    :: seen == WAKERS -> break;
    :: else ->
        looked = conditions; /* the look may be followed by any number of wake-ups */
        if
        :: looked > seen -> seen = looked;
        :: else ->
            atomic {
#ifdef BLIND
                state = PARKING; parked = true;
#else
                if
                :: token -> parked = false;
                :: else -> state = PARKING; parked = true;
                fi;
#endif
            }
            if
            :: parked ->
                fired = false;
                if
                :: armed = true; /* with a deadline */
                :: skip;         /* without */
                fi;
                switching = true;
                !switching;      /* until somebody has picked it again */
                assert(state == RUNNING);
                armed = false;   /* timer_cancel */
#ifndef NO_WAIT
                !firing;
#endif
                assert(token || fired);
            :: else -> skip;
            fi;
            token = false;
        fi;
    od;
}
