/*
 * Grace periods (kern/read_section.c): a version is freed only when no reader can have it any more, and
 * every writer that waits goes on in the end.
 *
 *     spin -a grace.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * READERS processors read ROUNDS times, each in a section, and are idle afterwards. WRITERS writers, on
 * processors without readers, publish a version, wait for a grace period and free the version before. A
 * processor outside of sections may pass a quiescent state at any time, as when it switches threads; it
 * must when it gets a message. What is done under the lock is one step; that somebody is waited for is
 * looked at before, without it. Memory is sequentially consistent: a writer's publication is known before
 * it takes the lock, and a reader's loads do not leave its section.
 *
 * Checked: no reader finds its version freed; no invalid end state (a writer that waits for ever is one).
 *
 * Faults to try, each found at once:
 *     spin -a -DSHARE_PRESENT  who comes during a grace period is content with its end
 *     spin -a -DNO_MESSAGE     no processor is told to hurry
 *     spin -a -DIN_SECTION     a message is answered in the middle of a section
 *     spin -a -DNO_NEXT        the end of a grace period does not begin the next for those who came meanwhile
 */
#define READERS 2
#define WRITERS 2
#define ROUNDS  2

byte published = 0;
bool freed[WRITERS + 1];

/* Under the lock. */
byte started = 0;
byte completed = 0;
byte pending_count = 0;
bool waiting[WRITERS];
byte wanted[WRITERS];

bool pending[READERS]; /* written under it, read without */
bool token[WRITERS];
bool message[READERS];

inline begin() {
    started++;
    pending_count = READERS;
    each = 0;
    do
    :: each < READERS -> pending[each] = true; each++;
    :: else -> break;
    od;
    hurry = true;
}

inline wake_satisfied() {
    each = 0;
    any = false;
    do
    :: each < WRITERS ->
        if
        :: waiting[each] && wanted[each] <= completed -> waiting[each] = false; token[each] = true;
        :: waiting[each] && wanted[each] > completed -> any = true;
        :: else -> skip;
        fi;
        each++;
    :: else -> break;
    od;
}

inline send_messages() {
#ifndef NO_MESSAGE
    if
    :: hurry ->
        each = 0;
        do
        :: each < READERS -> message[each] = true; each++;
        :: else -> break;
        od;
    :: else -> skip;
    fi;
#endif
    hurry = false;
}

inline quiescent(me) {
    if
    :: pending[me] ->
        atomic {
            if
            :: pending[me] ->
                pending[me] = false;
                pending_count--;
                if
                :: pending_count == 0 ->
                    completed = started;
                    wake_satisfied();
#ifndef NO_NEXT
                    if
                    :: any -> begin();
                    :: else -> skip;
                    fi;
#endif
                :: else -> skip;
                fi;
            :: else -> skip;
            fi;
        }
        send_messages();
    :: else -> skip;
    fi;
}

/* A chance for a switch of threads, or for the message. */
inline outside(me) {
    if
    :: quiescent(me);
    :: message[me] -> message[me] = false; quiescent(me);
    :: !message[me] -> skip;
    fi;
}

proctype reader(byte me) {
    byte round = 0;
    byte version, each;
    bool any, hurry;

    do
    :: round == ROUNDS -> break;
    :: else ->
        version = published;
        assert(!freed[version]);
#ifdef IN_SECTION
        outside(me);
#endif
        assert(!freed[version]);
        outside(me);
        round++;
    od;
end:
    do
    :: message[me] -> message[me] = false; quiescent(me);
    od;
}

proctype writer(byte me) {
    byte old, each;
    bool hurry = false;

    atomic { old = published; published = me + 1; }
    atomic {
        wanted[me] = started + 1;
#ifdef SHARE_PRESENT
        if
        :: completed != started -> wanted[me] = started;
        :: else -> skip;
        fi;
#endif
        if
        :: completed == started -> begin();
        :: else -> skip;
        fi;
        waiting[me] = true;
    }
    send_messages();
    do
    :: atomic { token[me] -> token[me] = false; }
       if
       :: completed >= wanted[me] -> break;
       :: else -> skip;
       fi;
    od;
    freed[old] = true;
}

init {
    byte i = 0;

    atomic {
        do
        :: i < READERS -> run reader(i); i++;
        :: else -> break;
        od;
        i = 0;
        do
        :: i < WRITERS -> run writer(i); i++;
        :: else -> break;
        od;
    }
}
