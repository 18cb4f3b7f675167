/* Which sanitizer the program is built with: 0 or 1, for #if and for if. */
#ifndef PORTS_HOSTED_SANITIZERS_H
#define PORTS_HOSTED_SANITIZERS_H

#if !defined(__has_feature) /* gcc says it by macros of their own */
#define __has_feature(feature) 0
#endif

#if __has_feature(address_sanitizer) || defined(__SANITIZE_ADDRESS__)
#define HOSTED_ASAN 1
#else
#define HOSTED_ASAN 0
#endif

#if __has_feature(thread_sanitizer) || defined(__SANITIZE_THREAD__)
#define HOSTED_TSAN 1
#else
#define HOSTED_TSAN 0
#endif

#endif
