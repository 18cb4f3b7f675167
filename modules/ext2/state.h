/*
 * The state that goes from one instance to the next: how it is mounted, and what was counted. What
 * stands on the disk is no part of it.
 */
#ifndef EXT2_STATE_H
#define EXT2_STATE_H

#include <helix/attributes.h>
#include <helix/error.h>

/* Records of minor version 0, which all later ones have too. */
HX_MUST_USE hx_err state_export(void);
HX_MUST_USE hx_err state_import(void);

/* Log what was counted. */
void state_report(void);

#endif
