/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the checked functions use of the kernel, for CBMC. The functions themselves come from the
 * kernel's source at run time.
 */
#ifndef MODELS_KERNEL_H
#define MODELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned __int128 u128;

#define BITS_PER_LONG		64
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
/* arm64 has the most bits of address: 48, and 52 with pages of 64 KiB */
#define TASK_SIZE_MAX		((1UL << (PAGE_SHIFT == 16 ? 52 : 48)) - PAGE_SIZE)

#define EINVAL			22
#define ENOMEM			12
#define EFAULT			14
#define EOVERFLOW		75

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(h, l)		((~0UL >> (63 - (h))) & (~0UL << (l)))
#define GENMASK_ULL(h, l)	GENMASK(h, l)
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN(x, a)		ALIGN_DOWN((x) + ((__typeof__(x))(a) - 1), a)
#define IS_ALIGNED(x, a)	(((x) & ((__typeof__(x))(a) - 1)) == 0)
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define overflows_type(x, t)	((x) != (__typeof__(t))(x))
#define __user
#define WARN_ON(c)		({ __CPROVER_assert(!(c), "WARN_ON"); (c); })
#define WARN_ON_ONCE(c)		WARN_ON(c)
#define assume(c)		__CPROVER_assume(c)
#define check(c)		__CPROVER_assert(c, #c)

/* HMM_PFN_FLAGS of a 64 bit kernel: the flags and the order are above all page frames */
#define HMM_PFN_VALID		(1UL << 63)
#define HMM_PFN_WRITE		(1UL << 62)
#define HMM_PFN_FLAGS		(~0UL << 52)

static inline unsigned int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static inline unsigned int __ffs64(u64 x)
{
	return __builtin_ctzll(x);
}

static inline bool is_power_of_2(u64 x)
{
	return x && !(x & (x - 1));
}

static inline bool access_ok(const void *ptr, unsigned long size)
{
	return size <= TASK_SIZE_MAX && (unsigned long)ptr <= TASK_SIZE_MAX - size;
}

#endif
