/*
 * Channels (core/ipc/channel.c): no wake-up is lost, nothing is lost or doubled, closing reaches everybody.
 *
 *     spin -a channel.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * SENDERS senders, the first ITEMS items and the others one each, send through a ring of ROOM slots and go; the
 * receiver receives until the channel is closed, or goes at any time. A processor's plain stores wait in a buffer of its own until
 * it executes a locked instruction, passes a barrier, or the buffer empties by itself: what a sender
 * publishes, and what the receiver frees, is seen late by others, and their next loads overtake it. (One
 * store at a time may wait: all that is stored without a locked instruction is one sequence number for each
 * operation, and the next one finds the buffer emptied in order.) Parking and wait queues are those of
 * kern: see park.pml.
 *
 * All of it are 19 million states, 20 seconds and 1.8 GB; small: -DITEMS=1.
 *
 * Checked: no invalid end state (somebody who sleeps for ever is one); items are received in each sender's
 * order; with a receiver that stays, all of them.
 *
 * Faults to try, each found at once:
 *     spin -a -DRECEIVER_BLIND  the receiver makes no barrier when claims are under way
 *     spin -a -DSENDER_BLIND    a sender that waits for room makes no barrier
 *     spin -a -DNO_LOOK         a sender looks at the tail's mark when it claims, not after it publishes
 *     spin -a -DQUIET_CLOSE     the last sender closes without waking
 *     spin -a -DNO_EXCHANGE     the receiver looks by a plain load whether it has called a sender
 *     spin -a -DCALL_STAYS      a sender that waits does not take the call back before it looks
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#define ITEMS_OF(sender) (sender == 0 -> ITEMS : 1)
#ifndef ROOM
#define ROOM 1
#endif

#define RECEIVER SENDERS /* its number among the processors */

/* The ring. A sequence is 2 * position, + 1 when published. */
byte sequence[ROOM];
byte content[ROOM]; /* sender * ITEMS + number */
byte tail = 0;
byte head = 0;
bool closed = false;
bool waiting = false;
byte blocked = 0;
bool seen = false;
bool called = false;
byte senders_left = SENDERS;
bool receiver_left = false;

/* The one plain store of each processor that the others do not see yet. */
bool pending[SENDERS + 1];
byte pending_slot[SENDERS + 1];
byte pending_value[SENDERS + 1];

/* Wait queues, and the tokens of their threads. */
bool queued[SENDERS + 1];
bool token[SENDERS + 1];

byte received[SENDERS];

inline flush(me) {
    if
    :: pending[me] -> sequence[pending_slot[me]] = pending_value[me]; pending[me] = false;
    :: else -> skip;
    fi;
}

inline store(me, slot, value) {
    atomic { flush(me); pending[me] = true; pending_slot[me] = slot; pending_value[me] = value; }
}

/* A processor sees its own store at once. */
inline load(me, slot, value) {
    atomic {
        if
        :: pending[me] && pending_slot[me] == slot -> value = pending_value[me];
        :: else -> value = sequence[slot];
        fi;
    }
}

/* Every processor passes a barrier, one after the other. */
inline barrier() {
    each = 0;
    do
    :: each <= SENDERS -> atomic { flush(each); each++; }
    :: else -> break;
    od;
}

/* Wait queues are under a lock: whoever touches one executes a locked instruction. */
inline wake(me, whom) {
    atomic {
        flush(me);
        if
        :: queued[whom] -> queued[whom] = false; token[whom] = true;
        :: else -> skip;
        fi;
    }
}

inline wake_one_sender(me) {
    atomic {
        flush(me);
        if
        :: queued[0] -> queued[0] = false; token[0] = true;
        :: SENDERS > 1 && queued[1] -> queued[1] = false; token[1] = true;
        :: else -> skip;
        fi;
    }
}

inline wait_in_queue(me) {
    atomic { token[me] -> token[me] = false; queued[me] = true; }
}

/* Leave; a wake-up that came meanwhile is the next one's. */
inline finish(me) {
    atomic {
        if
        :: queued[me] -> queued[me] = false;
        :: else -> wake_one_sender(me);
        fi;
        token[me] = false;
    }
}

inline wake_receiver(me) {
    atomic { flush(me); was_waiting = waiting; waiting = false; }
    if
    :: was_waiting -> wake(me, RECEIVER);
    :: else -> skip;
    fi;
}

/* result: 1 claimed, 0 full, 2 closed */
inline try_claim(me) {
    do
    :: atomic { at = tail; saw_closed = closed; saw_waiting = waiting; }
       if
       :: saw_closed -> result = 2; break;
       :: else -> skip;
       fi;
       load(me, at % ROOM, value);
       if
       :: value == 2 * at ->
           atomic {
               flush(me);
               if
               :: tail == at && closed == saw_closed && waiting == saw_waiting ->
                   tail++; result = 1; break;
               :: else -> skip;
               fi;
           }
       :: else ->
           if
           :: tail == at && closed == saw_closed -> result = 0; break;
           :: else -> skip;
           fi;
       fi;
    od;
}

/* Who got in calls the next one if there is room. */
inline call_next(me) {
    atomic { next = tail; load(me, next % ROOM, value); }
    if
    :: value == 2 * next -> wake_one_sender(me);
    :: else -> skip;
    fi;
}

inline claim_waiting(me) {
    atomic { flush(me); queued[me] = true; }
    atomic { blocked++; saw_waiting = seen; }
#ifndef SENDER_BLIND
    if
    :: !saw_waiting -> barrier(); seen = true;
    :: else -> skip;
    fi;
#endif
    do
    ::
#ifndef CALL_STAYS
       atomic { flush(me); called = false; }
#endif
       try_claim(me);
       if
       :: result == 0 -> wait_in_queue(me);
       :: else -> break;
       fi;
    od;
    atomic { blocked--; if :: blocked == 0 -> seen = false; :: else -> skip; fi; }
    finish(me);
    if
    :: result == 1 && (blocked > 0 || seen) -> call_next(me);
    :: else -> skip;
    fi;
}

proctype sender(byte me) {
    byte number = 0;
    byte at, next, value, result, each;
    bool saw_closed, saw_waiting, was_waiting;

    do
    :: number == ITEMS_OF(me) -> break;
    :: else ->
        try_claim(me);
        if
        :: result == 0 -> claim_waiting(me);
        :: else -> skip;
        fi;
        if
        :: result == 2 -> break;
        :: else -> skip;
        fi;
        content[at % ROOM] = me * ITEMS + number;
        store(me, at % ROOM, 2 * at + 1);
#ifdef NO_LOOK
        if
        :: saw_waiting -> wake_receiver(me);
        :: else -> skip;
        fi;
#else
        if
        :: waiting -> wake_receiver(me);
        :: else -> skip;
        fi;
#endif
        number++;
    od;
    atomic { flush(me); senders_left--; result = senders_left; }
    if
    :: result == 0 ->
        closed = true;
#ifndef QUIET_CLOSE
        wake_receiver(me);
#endif
    :: else -> skip;
    fi;
}

inline call_sender() {
#ifdef NO_EXCHANGE
    had_called = called;
    called = true;
#else
    atomic { flush(RECEIVER); had_called = called; called = true; }
#endif
    if
    :: !had_called -> wake_one_sender(RECEIVER);
    :: else -> skip;
    fi;
}

/* result: 1 received, 0 empty, 2 closed */
inline try_receive() {
    load(RECEIVER, head % ROOM, value);
    if
    :: value == 2 * head + 1 ->
        value = content[head % ROOM];
        assert(received[value / ITEMS] == value % ITEMS);
        received[value / ITEMS]++;
        store(RECEIVER, head % ROOM, 2 * (head + ROOM));
        head++;
        if
        :: blocked > 0 || seen -> call_sender();
        :: else -> skip;
        fi;
        result = 1;
    :: else ->
        atomic { result = (closed && tail == head -> 2 : 0); }
    fi;
}

inline receive() {
    try_receive();
    if
    :: result == 0 ->
        atomic { flush(RECEIVER); queued[RECEIVER] = true; }
        do
        :: atomic { flush(RECEIVER); waiting = true; claimed = tail; }
           try_receive();
#ifndef RECEIVER_BLIND
           if
           :: result == 0 && claimed != head -> barrier(); try_receive();
           :: else -> skip;
           fi;
#endif
           if
           :: result == 0 -> wait_in_queue(RECEIVER);
           :: else -> break;
           fi;
        od;
        atomic { queued[RECEIVER] = false; token[RECEIVER] = false; }
    :: else -> skip;
    fi;
}

proctype receiver() {
    byte value, result, claimed, each;
    bool leaves, had_called;

    do
    :: true ->
        if
        :: leaves = false;
        :: leaves = true;
        fi;
        if
        :: leaves -> break;
        :: else -> receive();
        fi;
        if
        :: result == 2 -> break;
        :: else -> skip;
        fi;
    od;
    atomic { flush(RECEIVER); closed = true; receiver_left = leaves; }
    each = 0;
    do
    :: each < SENDERS -> wake(RECEIVER, each); each++;
    :: else -> break;
    od;
    if
    :: !leaves ->
        each = 0;
        do
        :: each < SENDERS -> assert(received[each] == ITEMS_OF(each)); each++;
        :: else -> break;
        od;
    :: else -> skip;
    fi;
}

/* A buffer empties by itself sooner or later. */
proctype buffers() {
    byte each;

end:
    do
    :: atomic { pending[0] -> flush(0); }
    :: atomic { SENDERS > 1 && pending[1] -> flush(1); }
    :: atomic { pending[RECEIVER] -> flush(RECEIVER); }
    od;
}

init {
    byte i = 0;

    atomic {
        do
        :: i < ROOM -> sequence[i] = 2 * i; i++;
        :: else -> break;
        od;
        i = 0;
        do
        :: i < SENDERS -> run sender(i); i++;
        :: else -> break;
        od;
        run receiver();
        run buffers();
    }
}
