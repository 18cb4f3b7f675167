/*
 * The kernel's side of the page from which programs read the time (helix/clock_page.h).
 *
 * Rules:
 * - Who changes a clock does so between clock_page_begin and clock_page_end, and programs ask the
 *   kernel as long. Changes of several at once may overlap; each in its own two calls.
 * - Until clock_page_init, and after clock_page_fini, the two calls do nothing.
 */
#ifndef SUBSYS_TIME_CLOCK_PAGE_H
#define SUBSYS_TIME_CLOCK_PAGE_H

#include <helix/attributes.h>
#include <helix/error.h>

struct memory_object;

/* Make the page.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err clock_page_init(void);
/* Mappings keep the page; programs that still have it ask the kernel.  Context: thread. */
void clock_page_fini(void);

/* The page as what a mapping shows, NULL: there is none.  No reference is taken. */
struct memory_object *clock_page_object(void);

/* Context: any but nmi. */
void clock_page_begin(void);
void clock_page_end(void);

#endif
