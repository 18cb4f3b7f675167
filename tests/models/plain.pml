/*
 * When all is plain (core/scheduling/scheduler_slot.c): no thread stays in core's own queue while the bit
 * says that there is none, for then nobody who finds the module's threads looks there.
 *
 *     spin -a plain.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * QUEUERS processors queue one thread each. PICKERS look whether all is plain, ROUNDS times, as who picks
 * does when the bit is not set; one of them takes a thread when it sees one. The loop that changes the word is
 * one step, as is what is done under the queue's lock. Memory is sequentially consistent: the word is
 * released behind the length and acquired before it.
 *
 * Checked: when all have come to their end, the bit is not set while a thread waits.
 *
 * Faults to try, each found at once:
 *     spin -a -DWORD_FIRST     the word is changed before the thread is queued
 *     spin -a -DNO_COUNT       the bit is cleared, and nothing counted
 *     spin -a -DLENGTH_FIRST   who looks reads the length before the word
 */
#define QUEUERS 2
#define PICKERS 2
#define ROUNDS  2

bool is_plain = true;
byte count = 0;
byte length = 0;
byte ended = 0;

inline change_word() {
    atomic {
        is_plain = false;
#ifndef NO_COUNT
        count++;
#endif
    }
}

proctype queuer() {
#ifdef WORD_FIRST
    change_word();
    length++;
#else
    length++;
    change_word();
#endif
    ended++;
}

proctype picker() {
    byte round = 0;
    byte seen_count;
    bool seen_plain;
    byte waiting;

    do
    :: round < ROUNDS ->
        round++;
#ifdef LENGTH_FIRST
        waiting = length;
        atomic { seen_count = count; seen_plain = is_plain; }
#else
        atomic { seen_count = count; seen_plain = is_plain; }
        waiting = length;
#endif
        if
        :: seen_plain -> skip; /* what is picked is the module's */
        :: !seen_plain && waiting > 0 -> atomic { if :: length > 0 -> length--; :: else -> skip; fi; }
        :: !seen_plain && waiting == 0 ->
            atomic { if :: count == seen_count && !is_plain -> is_plain = true; :: else -> skip; fi; }
        fi;
    :: else -> break;
    od;
    ended++;
}

init {
    byte each = 0;

    atomic {
        do
        :: each < QUEUERS -> run queuer(); each++;
        :: else -> break;
        od;
        each = 0;
        do
        :: each < PICKERS -> run picker(); each++;
        :: else -> break;
        od;
    }
    ended == QUEUERS + PICKERS;
    assert(!(is_plain && length > 0));
}
