/*
 * What the arguments of each call are, so that random ones get past the first check.
 *
 * One letter an argument:
 *   f descriptor   p buffer       s path or name   l length       o offset     a address in the
 * arena i flags        n small number m mode           g signal       u user id    d process or
 * thread t timespec     v iovec array  e poll or epoll  c sigaction    k signal set w futex word x
 * anything     z text array   0 nothing but 0
 */
#ifndef FUZZ_SHAPES_H
#define FUZZ_SHAPES_H

#define NUMBERS 512U

static const char *const shapes[NUMBERS] = {
    [0] = "fpl",      [1] = "fpl",      [2] = "sim",      [3] = "f",        [4] = "sp",
    [5] = "fp",       [6] = "sp",       [7] = "enn",      [8] = "fon",      [9] = "aliifo",
    [10] = "ali",     [11] = "al",      [12] = "a",       [13] = "gcpn",    [14] = "nkpn",
    [15] = "",        [16] = "fnp",     [17] = "fplo",    [18] = "fplo",    [19] = "fvn",
    [20] = "fvn",     [21] = "sn",      [22] = "p",       [23] = "npppt",   [24] = "",
    [25] = "allia",   [26] = "ali",     [27] = "alp",     [28] = "aln",     [29] = "nli",
    [30] = "nai",     [31] = "nnp",     [32] = "f",       [33] = "ff",      [34] = "",
    [35] = "tp",      [36] = "np",      [37] = "n",       [38] = "ntp",     [39] = "",
    [40] = "ffpl",    [41] = "nin",     [42] = "fpl",     [43] = "fpp",     [44] = "fplipl",
    [45] = "fplipp",  [46] = "fvi",     [47] = "fvi",     [48] = "fn",      [49] = "fpl",
    [50] = "fn",      [51] = "fpp",     [52] = "fpp",     [53] = "ninp",    [54] = "fnnpl",
    [55] = "fnnpp",   [56] = "iappp",   [57] = "",        [58] = "",        [59] = "szz",
    [60] = "n",       [61] = "dpip",    [62] = "dg",      [63] = "p",       [72] = "fnx",
    [73] = "fn",      [74] = "f",       [75] = "f",       [76] = "so",      [77] = "fo",
    [78] = "fpl",     [79] = "pl",      [80] = "s",       [81] = "f",       [82] = "ss",
    [83] = "sm",      [84] = "s",       [85] = "sm",      [86] = "ss",      [87] = "s",
    [88] = "ss",      [89] = "spl",     [90] = "sm",      [91] = "fm",      [92] = "suu",
    [93] = "fuu",     [94] = "suu",     [95] = "m",       [96] = "pp",      [97] = "np",
    [98] = "np",      [99] = "p",       [100] = "p",      [102] = "",       [103] = "npl",
    [104] = "",       [105] = "u",      [106] = "u",      [107] = "",       [108] = "",
    [109] = "dd",     [110] = "",       [111] = "",       [112] = "",       [113] = "uu",
    [114] = "uu",     [115] = "np",     [116] = "np",     [117] = "uuu",    [118] = "ppp",
    [119] = "uuu",    [120] = "ppp",    [121] = "d",      [124] = "d",      [125] = "pp",
    [126] = "pp",     [127] = "pn",     [128] = "kptn",   [129] = "dgp",    [130] = "kn",
    [131] = "pp",     [132] = "sp",     [133] = "smx",    [135] = "x",      [137] = "sp",
    [138] = "fp",     [140] = "nd",     [141] = "ndn",    [142] = "dp",     [143] = "dp",
    [144] = "dnp",    [145] = "d",      [146] = "n",      [147] = "n",      [148] = "dp",
    [149] = "al",     [150] = "al",     [151] = "i",      [152] = "",       [157] = "nxxxx",
    [158] = "np",     [160] = "np",     [161] = "s",      [162] = "",       [164] = "tp",
    [165] = "sssip",  [166] = "si",     [169] = "xxxp",   [170] = "sl",     [171] = "sl",
    [186] = "",       [187] = "fol",    [188] = "sspli",  [189] = "sspli",  [190] = "fspli",
    [191] = "sspl",   [192] = "sspl",   [193] = "fspl",   [194] = "spl",    [195] = "spl",
    [196] = "fpl",    [197] = "ss",     [198] = "ss",     [199] = "fs",     [200] = "dg",
    [201] = "p",      [202] = "wnntwn", [203] = "dlp",    [204] = "dlp",    [213] = "n",
    [217] = "fpl",    [218] = "p",      [219] = "",       [221] = "foln",   [222] = "npp",
    [223] = "nitp",   [224] = "np",     [225] = "n",      [226] = "n",      [227] = "nt",
    [228] = "np",     [229] = "np",     [230] = "nitp",   [231] = "n",      [232] = "fenn",
    [233] = "fnfe",   [234] = "ddg",    [235] = "st",     [247] = "ndpip",  [251] = "nd",
    [252] = "ndn",    [253] = "",       [254] = "fsi",    [255] = "fn",     [257] = "fsim",
    [258] = "fsm",    [259] = "fsmx",   [260] = "fsuui",  [261] = "fst",    [262] = "fspi",
    [263] = "fsi",    [264] = "fsfs",   [265] = "fsfsi",  [266] = "sfs",    [267] = "fspl",
    [268] = "fsm",    [269] = "fsn",    [270] = "nppptp", [271] = "entkn",  [272] = "i",
    [273] = "pl",     [274] = "dpp",    [275] = "fpfpli", [276] = "ffli",   [277] = "foli",
    [278] = "fvli",   [280] = "fsti",   [281] = "fennkn", [282] = "fkn",    [283] = "ni",
    [284] = "n",      [285] = "fnoo",   [286] = "fitp",   [287] = "fp",     [288] = "fppi",
    [289] = "fkni",   [290] = "ni",     [291] = "i",      [292] = "ffi",    [293] = "pi",
    [294] = "i",      [295] = "fvno",   [296] = "fvno",   [297] = "ddgp",   [302] = "dnpp",
    [303] = "fsppi",  [304] = "fpi",    [306] = "f",      [307] = "fvni",   [309] = "ppp",
    [310] = "dvnvni", [311] = "dvnvni", [314] = "dpi",    [315] = "dpli",   [316] = "fsfsi",
    [318] = "pli",    [319] = "si",     [322] = "fszzi",  [324] = "nin",    [325] = "ali",
    [326] = "fpfpli", [327] = "fvnoxi", [328] = "fvnoxi", [332] = "fsinp",  [424] = "fgpi",
    [434] = "di",     [435] = "pl",     [436] = "ffi",    [437] = "fspl",   [438] = "ffi",
    [439] = "fsni",   [441] = "fentkn", [448] = "fi",     [480] = "nnip",   [481] = "fpx",
    [482] = "fpnx",   [483] = "sni",    [484] = "si",     [485] = "fpppxi", [486] = "fppx",
    [487] = "fpppx",  [488] = "fpn",    [489] = "nnn",    [490] = "nn",
};

#endif
