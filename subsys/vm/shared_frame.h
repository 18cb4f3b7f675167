/*
 * Frames that several users hold: pages of programs and files. A reference count stands in the
 * frame's private word (kern/frames.h).
 *
 * Rules:
 * - shared_frame_allocate gives one reference; the last put frees the frame.
 * - Atomic; context: any but nmi.
 */
#ifndef SUBSYS_VM_SHARED_FRAME_H
#define SUBSYS_VM_SHARED_FRAME_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

/* A frame of zeros (is_clear) or of unspecified contents.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err shared_frame_allocate(owner_tag owner, bool is_clear, uint64_t *physical);

void shared_frame_get(uint64_t physical);
void shared_frame_put(uint64_t physical);

/* Whether the caller's reference is the only one: nobody else can get one but through the caller.
 */
bool shared_frame_is_mine(uint64_t physical);

#endif
