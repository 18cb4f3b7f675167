/*
 * Scan codes of set 1 (IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary
 * Device Controller) and the bytes that a terminal makes of them: a function of the code, the
 * layout, and which modifiers are held.
 */
#ifndef MODULES_SCAN_CODES_H
#define MODULES_SCAN_CODES_H

#include <helix/keyboard.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of what is held, or on. */
enum scan_modifier {
    SCAN_SHIFT_LEFT = 1U << 0,
    SCAN_SHIFT_RIGHT = 1U << 1,
    SCAN_CONTROL_LEFT = 1U << 2,
    SCAN_CONTROL_RIGHT = 1U << 3,
    SCAN_ALT = 1U << 4,
    SCAN_ALT_GRAPH = 1U << 5,
    SCAN_CAPS = 1U << 6,      /* on */
    SCAN_NUM_OFF = 1U << 7,   /* the keypad moves the cursor */
    SCAN_EXTENDED = 1U << 8,  /* 0xe0 was the last code */
    SCAN_CAPS_HELD = 1U << 9, /* a key that is held repeats */
    SCAN_NUM_HELD = 1U << 10,
    SCAN_ALL = (1U << 11) - 1,
};

#define SCAN_SHIFT   ((uint32_t)(SCAN_SHIFT_LEFT | SCAN_SHIFT_RIGHT))
#define SCAN_CONTROL ((uint32_t)(SCAN_CONTROL_LEFT | SCAN_CONTROL_RIGHT))

#define SCAN_PREFIX   0xe0U
#define SCAN_RELEASED 0x80U

/* Codes by name. */
#define SCAN_CAPS_LOCK 0x3aU
#define SCAN_NUM_LOCK  0x45U
#define SCAN_DELETE    0x53U
#define SCAN_SLASH     0x35U /* extended: the keypad's */
#define SCAN_ENTER     0x1cU
#define SCAN_KEYPAD    0x47U /* to 0x53 */

#define ESCAPE 0x1bU

/* --- layouts ---------------------------------------------------------------------------------- */

#define LAYOUT_KEYS 0x59U

/* Of a key: alone, with shift, with the right alt key; 0: nothing. */
struct scan_key {
    uint16_t plain, shifted, graph;
};

/* What every layout has. */
#define COMMON_KEYS                                                                                \
    [0x01] = {ESCAPE, ESCAPE, 0}, [0x0e] = {0x7f, 0x7f, 0}, [0x0f] = {'\t', '\t', 0},              \
    [0x1c] = {'\r', '\r', 0}, [0x37] = {'*', '*', 0}, [0x39] = {' ', ' ', ' '},                    \
    [0x4a] = {'-', '-', 0}, [0x4e] = {'+', '+', 0}

#define LETTER(key, small, graph) [key] = {small, (small) - ('a' - 'A'), graph}

static const struct scan_key scan_layouts[HX_KEYBOARD_LAYOUTS][LAYOUT_KEYS] =
    {
        [HX_KEYBOARD_US] =
            {
                COMMON_KEYS,
                [0x02] = {'1', '!', 0},
                [0x03] = {'2', '@', 0},
                [0x04] = {'3', '#', 0},
                [0x05] = {'4', '$', 0},
                [0x06] = {'5', '%', 0},
                [0x07] = {'6', '^', 0},
                [0x08] = {'7', '&', 0},
                [0x09] = {'8', '*', 0},
                [0x0a] = {'9', '(', 0},
                [0x0b] = {'0', ')', 0},
                [0x0c] = {'-', '_', 0},
                [0x0d] = {'=', '+', 0},
                LETTER(0x10, 'q', 0),
                LETTER(0x11, 'w', 0),
                LETTER(0x12, 'e', 0),
                LETTER(0x13, 'r', 0),
                LETTER(0x14, 't', 0),
                LETTER(0x15, 'y', 0),
                LETTER(0x16, 'u', 0),
                LETTER(0x17, 'i', 0),
                LETTER(0x18, 'o', 0),
                LETTER(0x19, 'p', 0),
                [0x1a] = {'[', '{', 0},
                [0x1b] = {']', '}', 0},
                LETTER(0x1e, 'a', 0),
                LETTER(0x1f, 's', 0),
                LETTER(0x20, 'd', 0),
                LETTER(0x21, 'f', 0),
                LETTER(0x22, 'g', 0),
                LETTER(0x23, 'h', 0),
                LETTER(0x24, 'j', 0),
                LETTER(0x25, 'k', 0),
                LETTER(0x26, 'l', 0),
                [0x27] = {';', ':', 0},
                [0x28] = {'\'', '"', 0},
                [0x29] = {'`', '~', 0},
                [0x2b] = {'\\', '|', 0},
                LETTER(0x2c, 'z', 0),
                LETTER(0x2d, 'x', 0),
                LETTER(0x2e, 'c', 0),
                LETTER(0x2f, 'v', 0),
                LETTER(0x30, 'b', 0),
                LETTER(0x31, 'n', 0),
                LETTER(0x32, 'm', 0),
                [0x33] = {',', '<', 0},
                [0x34] = {'.', '>', 0},
                [0x35] = {'/', '?', 0},
                [0x56] = {'\\', '|', 0},
            },
        [HX_KEYBOARD_DE] =
            {
                COMMON_KEYS,
                [0x02] = {'1', '!', 0},
                [0x03] = {'2', '"', 0xb2},
                [0x04] = {'3', 0xa7, 0xb3},
                [0x05] = {'4', '$', 0},
                [0x06] = {'5', '%', 0},
                [0x07] = {'6', '&', 0},
                [0x08] = {'7', '/', '{'},
                [0x09] = {'8', '(', '['},
                [0x0a] = {'9', ')', ']'},
                [0x0b] = {'0', '=', '}'},
                [0x0c] = {0xdf, '?', '\\'},
                [0x0d] = {0xb4, '`', 0},
                LETTER(0x10, 'q', '@'),
                LETTER(0x11, 'w', 0),
                LETTER(0x12, 'e', 0x20ac),
                LETTER(0x13, 'r', 0),
                LETTER(0x14, 't', 0),
                LETTER(0x15, 'z', 0),
                LETTER(0x16, 'u', 0),
                LETTER(0x17, 'i', 0),
                LETTER(0x18, 'o', 0),
                LETTER(0x19, 'p', 0),
                LETTER(0x1a, 0xfc, 0),
                [0x1b] = {'+', '*', '~'},
                LETTER(0x1e, 'a', 0),
                LETTER(0x1f, 's', 0),
                LETTER(0x20, 'd', 0),
                LETTER(0x21, 'f', 0),
                LETTER(0x22, 'g', 0),
                LETTER(0x23, 'h', 0),
                LETTER(0x24, 'j', 0),
                LETTER(0x25, 'k', 0),
                LETTER(0x26, 'l', 0),
                LETTER(0x27, 0xf6, 0),
                LETTER(0x28, 0xe4, 0),
                [0x29] = {'^', 0xb0, 0},
                [0x2b] = {'#', '\'', 0},
                LETTER(0x2c, 'y', 0),
                LETTER(0x2d, 'x', 0),
                LETTER(0x2e, 'c', 0),
                LETTER(0x2f, 'v', 0),
                LETTER(0x30, 'b', 0),
                LETTER(0x31, 'n', 0),
                LETTER(0x32, 'm', 0xb5),
                [0x33] = {',', ';', 0},
                [0x34] = {'.', ':', 0},
                [0x35] = {'-', '_', 0},
                [0x56] = {'<', '>', '|'},
            },
};

#undef LETTER
#undef COMMON_KEYS

/* --- answers ---------------------------------------------------------------------------------- */

static inline uint64_t answer_add(uint64_t answer, uint32_t byte)
{
    uint64_t count = HX_KEYBOARD_COUNT(answer);

    return count < HX_KEYBOARD_BYTES_MAX
               ? (answer | (uint64_t)byte << count * 8) + (1ULL << HX_KEYBOARD_COUNT_SHIFT)
               : answer;
}

static inline uint64_t answer_add_text(uint64_t answer, const char *text)
{
    for (; *text != '\0'; text++) {
        answer = answer_add(answer, (uint8_t)*text);
    }
    return answer;
}

/* In UTF-8; all that a layout has is below 0x10000. */
static inline uint64_t answer_add_character(uint64_t answer, uint32_t character)
{
    if (character < 0x80) {
        return answer_add(answer, character);
    }
    if (character < 0x800) {
        answer = answer_add(answer, 0xc0U | character >> 6);
    } else {
        answer = answer_add(answer, 0xe0U | character >> 12);
        answer = answer_add(answer, 0x80U | (character >> 6 & 0x3f));
    }
    return answer_add(answer, 0x80U | (character & 0x3f));
}

/* --- keys ------------------------------------------------------------------------------------- */

/* The modifier that a key is; 0: none. */
static inline uint32_t scan_modifier_of(uint32_t key, bool is_extended)
{
    switch (key) {
    case 0x1d:
        return is_extended ? SCAN_CONTROL_RIGHT : SCAN_CONTROL_LEFT;
    case 0x2a:
        return is_extended ? 0 : SCAN_SHIFT_LEFT; /* a print key's own */
    case 0x36:
        return is_extended ? 0 : SCAN_SHIFT_RIGHT;
    case 0x38:
        return is_extended ? SCAN_ALT_GRAPH : SCAN_ALT;
    default:
        return 0;
    }
}

/* Control and a character: its code, as terminals have it; the digits stand for those that have no
 * letter. */
static inline uint32_t scan_control(uint32_t character)
{
    static const char of_digits[] = {0, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x7f}; /* 2 to 8 */

    if (character >= '@' && character < 0x7f) {
        return character & 0x1f;
    }
    if (character >= '2' && character <= '8') {
        return (uint8_t)of_digits[character - '2'];
    }
    return character == ' ' ? 0 : character == '/' ? 0x1f : character == '?' ? 0x7f : character;
}

/* A letter: what shift makes of it is its capital. */
static inline bool scan_is_letter(const struct scan_key *key)
{
    return key->plain == key->shifted + ('a' - 'A') && key->plain >= 'a';
}

static inline uint32_t scan_character(uint32_t modifiers, const struct scan_key *key)
{
    bool is_shifted = (modifiers & SCAN_SHIFT) != 0;

    if ((modifiers & SCAN_ALT_GRAPH) != 0 && key->graph != 0) {
        return key->graph;
    }
    if ((modifiers & SCAN_CAPS) != 0 && scan_is_letter(key)) {
        is_shifted = !is_shifted;
    }
    return is_shifted ? key->shifted : key->plain;
}

static inline uint64_t scan_text(uint32_t modifiers, uint64_t layout, uint32_t code)
{
    const struct scan_key *key = &scan_layouts[layout][code];
    uint32_t character = scan_character(modifiers, key);
    uint64_t answer = (modifiers & SCAN_ALT) != 0 ? answer_add(0, ESCAPE) : 0;

    if (key->plain == 0) {
        return 0;
    }
    if ((modifiers & SCAN_CONTROL) != 0) {
        character = scan_control(character);
    }
    if (code == 0x0f && (modifiers & SCAN_SHIFT) != 0) {
        return answer_add_text(0, "\033[Z"); /* back a tabulator */
    }
    return answer_add_character(answer, character);
}

/* --- keys that move --------------------------------------------------------------------------- */

/* What the keys from SCAN_KEYPAD on are when they move: a letter for `ESC [ letter`, or a digit for
 * `ESC [ digit ~`. */
static inline char scan_motion(uint32_t key)
{
    static const char motions[] = {'1', 'A', '5', 0, 'D', 0, 'C', 0, '4', 'B', '6', '2', '3'};

    return key >= SCAN_KEYPAD && key <= SCAN_DELETE ? motions[key - SCAN_KEYPAD] : '\0';
}

/* As xterm numbers what is held with a key; 1: nothing. */
static inline uint32_t scan_held(uint32_t modifiers)
{
    return 1U + ((modifiers & SCAN_SHIFT) != 0 ? 1U : 0) + ((modifiers & SCAN_ALT) != 0 ? 2U : 0) +
           ((modifiers & SCAN_CONTROL) != 0 ? 4U : 0);
}

static inline uint64_t scan_move(uint32_t modifiers, char motion)
{
    uint64_t answer = answer_add_text(0, "\033[");
    bool is_letter = motion >= 'A';
    uint32_t held = scan_held(modifiers);

    if (!is_letter || held > 1) {
        answer = answer_add(answer, is_letter ? '1' : (uint8_t)motion);
    }
    if (held > 1) {
        answer = answer_add(answer, ';');
        answer = answer_add(answer, '0' + held);
    }
    return answer_add(answer, is_letter ? (uint8_t)motion : '~');
}

static inline uint64_t scan_keypad(uint32_t modifiers, uint32_t key)
{
    static const char digits[] = "789-456+1230.";

    if ((modifiers & SCAN_NUM_OFF) == 0) {
        return answer_add(0, (uint8_t)digits[key - SCAN_KEYPAD]);
    }
    return scan_motion(key) != '\0' ? scan_move(modifiers, scan_motion(key)) : 0;
}

/* F1 to F12, as a VT220 and xterm have them; NULL: it is none. */
static inline const char *scan_function(uint32_t key)
{
    static const char first[][6] = {"\033OP",   "\033OQ",   "\033OR",   "\033OS",   "\033[15~",
                                    "\033[17~", "\033[18~", "\033[19~", "\033[20~", "\033[21~"};

    if (key >= 0x3b && key <= 0x44) {
        return first[key - 0x3b];
    }
    return key == 0x57 ? "\033[23~" : key == 0x58 ? "\033[24~" : NULL;
}

static inline uint64_t scan_extended(uint32_t modifiers, uint32_t key)
{
    if (key == SCAN_SLASH) {
        return answer_add(0, '/');
    }
    if (key == SCAN_ENTER) {
        return answer_add(0, '\r');
    }
    return scan_motion(key) != '\0' ? scan_move(modifiers, scan_motion(key)) : 0;
}

static inline uint64_t scan_press(uint32_t modifiers, uint64_t layout, uint32_t key,
                                  bool is_extended)
{
    bool is_keypad = key >= SCAN_KEYPAD && key <= SCAN_DELETE && key != 0x4a && key != 0x4e;
    const char *function = is_extended ? NULL : scan_function(key);

    if (key == SCAN_DELETE && (modifiers & SCAN_CONTROL) != 0 &&
        (modifiers & (SCAN_ALT | SCAN_ALT_GRAPH)) != 0) {
        return HX_KEYBOARD_RESTART;
    }
    if (is_extended) {
        return scan_extended(modifiers, key);
    }
    if (function != NULL) {
        return answer_add_text((modifiers & SCAN_ALT) != 0 ? answer_add(0, ESCAPE) : 0, function);
    }
    if (is_keypad) {
        return scan_keypad(modifiers, key);
    }
    return key < LAYOUT_KEYS ? scan_text(modifiers, layout, key) : 0;
}

/* --- codes ------------------------------------------------------------------------------------ */

static inline void scan_lock(uint32_t *modifiers, bool is_released, uint32_t lock, uint32_t held)
{
    if (!is_released && (*modifiers & held) == 0) {
        *modifiers ^= lock;
    }
    *modifiers = is_released ? *modifiers & ~held : *modifiers | held;
}

/* Whether the code is of a key that changes the modifiers. */
static inline bool scan_modify(uint32_t *modifiers, uint32_t key, bool is_extended,
                               bool is_released)
{
    uint32_t modifier = scan_modifier_of(key, is_extended);

    if (modifier != 0) {
        *modifiers = is_released ? *modifiers & ~modifier : *modifiers | modifier;
    } else if (key == SCAN_CAPS_LOCK && !is_extended) {
        scan_lock(modifiers, is_released, SCAN_CAPS, SCAN_CAPS_HELD);
    } else if (key == SCAN_NUM_LOCK && !is_extended) {
        scan_lock(modifiers, is_released, SCAN_NUM_OFF, SCAN_NUM_HELD);
    } else {
        return false;
    }
    return true;
}

/* One code: the answer, and what is held from then on. */
static inline uint64_t scan_code(uint32_t *modifiers, uint64_t code, uint64_t layout)
{
    bool is_extended = (*modifiers & SCAN_EXTENDED) != 0;
    bool is_released = (code & SCAN_RELEASED) != 0;
    uint32_t key = (uint32_t)code & 0x7f;

    if (code > 0xff || layout >= HX_KEYBOARD_LAYOUTS) {
        return 0;
    }
    if (code == SCAN_PREFIX) {
        *modifiers |= SCAN_EXTENDED;
        return 0;
    }
    *modifiers &= ~(uint32_t)SCAN_EXTENDED;
    if (scan_modify(modifiers, key, is_extended, is_released) || is_released) {
        return 0;
    }
    return scan_press(*modifiers, layout, key, is_extended);
}

#endif
